// The twin of app.py on Bun: bun benchmarks/peers/bun.js PORT (NODE_PATH=tests/interop/node_modules)
const { Server: Engine } = require('@socket.io/bun-engine');
const { Server } = require('socket.io');

const io = new Server();
const engine = new Engine({ path: '/socket.io/' });
io.bind(engine);
io.on('connection', socket => {
  socket.on('join', room => socket.join(room));
  socket.on('pub', (room, data) => io.to(room).emit('msg', data));
  socket.on('echo', (data, answer) => answer('ok'));
});
Bun.serve({ ...engine.handler(), hostname: '127.0.0.1', port: Number(process.argv[2]) });
