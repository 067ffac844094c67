// A parser as an application writes one for socket.io: each packet is one text, and there are no bytes.
const { Emitter } = require('@socket.io/component-emitter');

class Encoder {
  encode(packet) {
    return [JSON.stringify({ type: packet.type, nsp: packet.nsp, data: packet.data, id: packet.id })];
  }
}

class Decoder extends Emitter {
  add(text) {
    this.emit('decoded', JSON.parse(text));
  }

  destroy() {}
}

module.exports = { Encoder, Decoder };
