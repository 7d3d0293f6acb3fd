// cargo run --release -- adam adam/data.safetensors lion lion/data.safetensors
// Replays an Adam and a Lion of Rust's own; exit code: 0 right, 1 wrong, 2 no fixture.
use std::{collections::HashMap, env, fs, process::exit};
type Real = f32; // f64 for fixtures of float64
type Arrays = HashMap<String, Vec<f64>>;

fn adam(x: &mut [Vec<Real>], g: &[Real], t: i32, h: &[Real]) {
    let (lr, b1, b2, eps) = (h[0], h[1], h[2], h[3]);
    for i in 0..g.len() {
        x[1][i] = b1 * x[1][i] + (1.0 - b1) * g[i];
        x[2][i] = b2 * x[2][i] + (1.0 - b2) * g[i] * g[i];
        let m_hat = x[1][i] / (1.0 - b1.powi(t));
        let v_hat = x[2][i] / (1.0 - b2.powi(t));
        x[0][i] -= lr * m_hat / (v_hat.sqrt() + eps);
    }
}

fn lion(x: &mut [Vec<Real>], g: &[Real], _: i32, h: &[Real]) {
    let (lr, b1, b2, decay) = (h[0], h[1], h[2], h[3]);
    for i in 0..g.len() {
        let c = b1 * x[1][i] + (1.0 - b1) * g[i];
        let sign = if c == 0.0 { 0.0 } else { c.signum() };
        x[0][i] -= lr * (sign + decay * x[0][i]);
        x[1][i] = b2 * x[1][i] + (1.0 - b2) * g[i];
    }
}

fn read(path: &str) -> Option<Arrays> {
    let file = fs::read(path).ok()?;
    let length = u64::from_le_bytes(file.get(..8)?.try_into().ok()?) as usize;
    let header = std::str::from_utf8(file.get(8..length.checked_add(8)?)?).ok()?;
    let data = &file[8 + length..];
    let mut arrays = Arrays::new();
    for part in header.split("},\"").skip(1) { // name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]
        let (name, about) = part.split_once("\":{\"dtype\":\"")?;
        let (first, last) = about.rsplit('[').next()?.trim_end_matches([' ', '}', ']']).split_once(',')?;
        let bytes = data.get(first.parse().ok()?..last.parse().ok()?)?;
        let numbers: Vec<f64> = match about.get(..3)? {
            "F64" => bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            "F32" => bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()) as f64).collect(),
            _ => bytes.iter().map(|b| *b as f64).collect(),
        };
        arrays.insert(name.to_string(), numbers);
    }
    Some(arrays)
}

fn check(rule: &str, arrays: &Arrays) -> Option<usize> {
    let (slots, last) = if rule == "adam" { (vec!["theta", "m", "v"], "hyper/eps") } else { (vec!["theta", "m"], "hyper/weight_decay") };
    let mut wrong = 0;
    for w in arrays.keys().filter_map(|k| k.strip_prefix("start/theta/")) {
        let (n, mut seen) = (arrays[&format!("start/theta/{w}")].len(), 0);
        let real = |key: String, t: usize| Some(arrays.get(&key)?.get(t * n..t * n + n)?.iter().map(|d| *d as Real).collect::<Vec<_>>());
        for (t, present) in arrays.get(&format!("present/{w}"))?.iter().enumerate() {
            // Begin where the last truth, rounded, says.
            let begin = |s: &&str| if t == 0 { real(format!("start/{s}/{w}"), 0) } else { real(format!("step/{s}/{w}/hi"), t - 1) };
            let mut x = slots.iter().map(begin).collect::<Option<Vec<_>>>()?;
            let h = ["hyper/lr", "hyper/beta1", "hyper/beta2", last].map(|k| arrays.get(k).map_or(Real::NAN, |a| a[t] as Real));
            if *present == 0.0 { continue }
            seen += 1;
            (if rule == "adam" { adam } else { lion })(&mut x, &real(format!("grad/{w}"), t)?, seen, &h);
            for (s, i) in (0..slots.len()).flat_map(|s| (0..n).map(move |i| (s, i))) {
                let at = |part: &str| Some(*arrays.get(&format!("step/{}/{w}/{part}", slots[s]))?.get(t * n + i)?);
                let off = (x[s][i] as f64 - at("hi")? - at("lo")?).abs();
                if off <= at("bound")? { continue }
                if wrong == 0 { println!("{rule}: step/{}/{w}, step {}, element {i}: {}, not {}", slots[s], t + 1, x[s][i], at("hi")?) }
                wrong += 1;
            }
        }
    }
    Some(wrong)
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let found: Option<usize> = args.chunks(2).map(|a| check(&a[0], &read(a.get(1)?)?)).sum();
    println!("{} wrong", found.map_or("no fixture, so nothing".into(), |n| n.to_string()));
    exit(match found { None => 2, Some(0) => 0, Some(_) => 1 })
}
