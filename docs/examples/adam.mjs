// Adam in JavaScript, judged through docs/protocol.md: arrays as base64, level 2, two types.
//
//   python -m goldstep.conformance --impl="cmd:node adam.mjs"
import { createInterface } from "node:readline";

const TYPES = { float64: Float64Array, float32: Float32Array };

function read({ dtype, data }) {
  const bytes = Uint8Array.from(Buffer.from(data, "base64"));
  return new TYPES[dtype](bytes.buffer);
}

function written(name, { dtype, shape }, x) {
  const data = Buffer.from(x.buffer, x.byteOffset, x.byteLength).toString("base64");
  return { name, dtype, shape, data };
}

let hyper, params;

const requests = {
  hello: () => ({
    protocol: 1,
    version: process.version,
    rules: ["adam"],
    level: 2,
    scalar: "float64",
    capabilities: ["changes", "absences", "hypers"],
  }),

  make(request) {
    hyper = request.hyper;
    params = new Map();
    for (const given of request.params) {
      const theta = read(given);
      const zeros = () => new TYPES[given.dtype](theta.length);
      params.set(given.name, { given, theta, m: zeros(), v: zeros(), t: 0 });
    }
    return {};
  },

  step(request) {
    Object.assign(hyper, request.also);
    const { lr, beta1, beta2, eps } = hyper;
    for (const given of request.grads) {
      if (given.data === null) continue;
      const p = params.get(given.name);
      const { theta, m, v } = p;
      p.t += 1;
      const [c1, c2] = [1 - beta1 ** p.t, 1 - beta2 ** p.t];
      read(given).forEach((g, i) => {
        m[i] = beta1 * m[i] + (1 - beta1) * g;
        v[i] = beta2 * v[i] + (1 - beta2) * g * g;
        theta[i] -= (lr * (m[i] / c1)) / (Math.sqrt(v[i] / c2) + eps);
      });
    }
    return { params: [...params].map(([name, p]) => written(name, p.given, p.theta)) };
  },

  state() {
    const slots = (p) => [written("m", p.given, p.m), written("v", p.given, p.v), { name: "t", data: p.t }];
    return { state: Object.fromEntries([...params].map(([name, p]) => [name, slots(p)])) };
  },

  load(request) {
    for (const given of request.params) {
      const held = Object.fromEntries(request.state[given.name].map((slot) => [slot.name, slot]));
      const p = { given, theta: read(given), m: read(held.m), v: read(held.v), t: held.t.data };
      params.set(given.name, p);
    }
    return {};
  },

  close: () => process.exit(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  process.stdout.write(JSON.stringify(requests[request.op](request)) + "\n");
}
