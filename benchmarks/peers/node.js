// The twin of app.py on Node's Socket.IO: node benchmarks/peers/node.js PORT (NODE_PATH=tests/interop/node_modules)
const http = require('node:http').createServer();
const { Server } = require('socket.io');

const io = new Server(http);
io.on('connection', socket => {
  socket.on('join', room => socket.join(room));
  socket.on('pub', (room, data) => io.to(room).emit('msg', data));
  socket.on('echo', (data, answer) => answer('ok'));
});
http.listen(Number(process.argv[2]), '127.0.0.1');
