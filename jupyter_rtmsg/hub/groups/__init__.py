"""Worker groups: each event of a room is given to one worker of a group (docs/decisions/0040-worker-groups.md)."""
