// peers_onnx.js - ViT-g's slice in onnxruntime-node, for peers.py to time.
// usage: node peers_onnx.js DIRECTORY THREADS      (f32.onnx and int8.onnx in DIRECTORY: peers_onnx.py)
// Prints "ready"; then a line "f32|int8 N" on standard input is answered by the seconds of a pass over N
// pictures, "features f32|int8 PIXELS OUT" by "done" when the features of the pixels in one file (f32)
// are in the other.
const fs = require('fs');
const path = require('path');
const readline = require('readline');
const ort = require('onnxruntime-node');

const [directory, threads] = process.argv.slice(2);
const size = 3 * 224 * 224;

function tensor(values) {
  return new ort.Tensor('float32', values, [values.length / size, 3, 224, 224]);
}

async function main() {
  const sessions = {};
  for (const kind of ['f32', 'int8']) {
    sessions[kind] = await ort.InferenceSession.create(path.join(directory, kind + '.onnx'),
      { intraOpNumThreads: Number(threads), interOpNumThreads: 1, graphOptimizationLevel: 'all' });
  }
  console.log('ready');
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const words = line.split(' ');
    if (words[0] === 'features') {
      const bytes = fs.readFileSync(words[2]);
      const pixels = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).slice();
      const { features } = await sessions[words[1]].run({ pixels: tensor(pixels) });
      fs.writeFileSync(words[3], Buffer.from(features.data.buffer, features.data.byteOffset, features.data.byteLength));
      console.log('done');
    } else {
      const values = new Float32Array(Number(words[1]) * size).map((_, i) => Math.sin(i * 0.37));
      const start = process.hrtime.bigint();
      await sessions[words[0]].run({ pixels: tensor(values) });
      console.log((Number(process.hrtime.bigint() - start) / 1e9).toFixed(6));
    }
  }
}

main().catch((error) => {
  console.error('peers_onnx.js: ' + error.message);
  process.exit(2);
});
