// node check.mjs adam adam/data.safetensors lion lion/data.safetensors
// Replays an Adam and a Lion of JavaScript's own; exit code: 0 right, 1 wrong, 2 no fixture.
import { readFileSync } from "node:fs";

function adam({ theta, m, v }, g, t, { lr, beta1, beta2, eps }) {
  for (let i = 0; i < g.length; i++) {
    m[i] = beta1 * m[i] + (1 - beta1) * g[i];
    v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
    const mHat = m[i] / (1 - beta1 ** t);
    const vHat = v[i] / (1 - beta2 ** t);
    theta[i] -= (lr * mHat) / (Math.sqrt(vHat) + eps);
  }
}

function lion({ theta, m }, g, t, { lr, beta1, beta2, weight_decay }) {
  for (let i = 0; i < g.length; i++) {
    const c = beta1 * m[i] + (1 - beta1) * g[i];
    theta[i] -= lr * (Math.sign(c) + weight_decay * theta[i]);
    m[i] = beta2 * m[i] + (1 - beta2) * g[i];
  }
}

const TYPES = { F64: Float64Array, F32: Float32Array, U8: Uint8Array };

function read(path) {
  const file = readFileSync(path);
  if (file.length < 8) throw new Error(`${path}: too short`);
  const length = Number(file.readBigUInt64LE(0));
  if (length > file.length - 8) throw new Error(`${path}: its header is longer than the file`);
  const header = JSON.parse(file.subarray(8, 8 + length).toString());
  delete header.__metadata__;
  const arrays = {};
  for (const [name, { dtype, shape, data_offsets: [first, last] }] of Object.entries(header)) {
    const Type = TYPES[dtype];
    const count = shape.reduce((a, b) => a * b, 1);
    if (!Type || !(first >= 0) || 8 + length + last > file.length || last - first !== count * Type.BYTES_PER_ELEMENT)
      throw new Error(`${path}: ${name} is no array of the file`);
    arrays[name] = new Type(new Uint8Array(file.subarray(8 + length + first, 8 + length + last)).buffer);
  }
  return arrays;
}

function check(rule, update, arrays) {
  const slots = ["theta", "m", "v"].filter((slot) => Object.keys(arrays).some((k) => k.startsWith(`start/${slot}/`)));
  const hyper = Object.keys(arrays).filter((k) => k.startsWith("hyper/"));
  const names = Object.keys(arrays).filter((k) => k.startsWith("start/theta/")).map((k) => k.slice(12));
  if (names.length === 0) throw new Error(`${rule}: no fixture`);
  let wrong = 0;
  for (const w of names) {
    const n = arrays[`start/theta/${w}`].length;
    const row = (array, t) => array.slice(t * n, (t + 1) * n);
    let seen = 0;
    for (let t = 0; t < arrays[`present/${w}`].length; t++) {
      const x = {}; // begin where the last truth, rounded, says
      for (const s of slots) x[s] = t ? row(arrays[`step/${s}/${w}/hi`], t - 1) : arrays[`start/${s}/${w}`].slice();
      if (!arrays[`present/${w}`][t]) continue;
      const h = Object.fromEntries(hyper.map((k) => [k.slice(6), arrays[k][t]]));
      update(x, row(arrays[`grad/${w}`], t), ++seen, h);
      for (const s of slots) {
        const [hi, lo, bound] = ["hi", "lo", "bound"].map((part) => row(arrays[`step/${s}/${w}/${part}`], t));
        for (let i = 0; i < n; i++)
          if (!(Math.abs(x[s][i] - hi[i] - lo[i]) <= bound[i]) && !wrong++)
            console.log(`${rule}: step/${s}/${w}, step ${t + 1}, element ${i}: ${x[s][i]}, not ${hi[i]}`);
      }
    }
  }
  return wrong;
}

try {
  let wrong = 0;
  for (let i = 2; i + 1 < process.argv.length; i += 2)
    wrong += check(process.argv[i], { adam, lion }[process.argv[i]], read(process.argv[i + 1]));
  console.log(`${wrong} wrong`);
  process.exitCode = wrong ? 1 : 0;
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
