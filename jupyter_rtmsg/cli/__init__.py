"""The command line ``jupyter rtmsg``: rooms from a terminal, and the files of logs."""
