/* cc -O2 check.c -o check -lm && ./check adam adam/data.safetensors lion lion/data.safetensors
   Replays an Adam and a Lion of C's own; exit code: 0 right, 1 wrong, 2 no fixture. Little-endian machines. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef float real; /* double for fixtures of float64 */
static char *header, *data;
static size_t bytes, count; /* of the file's data; of the numbers in the array looked up last */
static void adam(size_t n, real *theta, real *m, real *v, const real *g, int t, real lr, real b1, real b2, real eps) {
  for (size_t i = 0; i < n; i++) {
    m[i] = b1 * m[i] + (1 - b1) * g[i];
    v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
    real m_hat = m[i] / (real)(1 - pow(b1, t)), v_hat = v[i] / (real)(1 - pow(b2, t));
    theta[i] -= lr * m_hat / ((real)sqrt(v_hat) + eps);
  }
}
static void lion(size_t n, real *theta, real *m, const real *g, real lr, real b1, real b2, real decay) {
  for (size_t i = 0; i < n; i++) {
    real c = b1 * m[i] + (1 - b1) * g[i];
    theta[i] -= lr * ((c > 0) - (c < 0) + decay * theta[i]);
    m[i] = b2 * m[i] + (1 - b2) * g[i];
  }
}
static void stop(const char *what, const char *name) { fprintf(stderr, "%s: %s\n", name, what), exit(2); }
static void load(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) stop("cannot be read", path);
  size_t size = (size_t)ftell(file), n = 0;
  char *all = (rewind(file), malloc(size + 8));
  if (!all || size < 8 || fread(all, 1, size, file) != size || fclose(file)) stop("is too short", path);
  if (memcpy(&n, all, 8), n > size - 8) stop("its header is longer than the file", path);
  header = memcpy(calloc(n + 1, 1), all + 8, n), data = all + 8 + n, bytes = size - 8 - n;
}
static double get(const char *part, const char *w, const char *kind, size_t i) { /* NAN where there is none */
  char key[400];
  size_t a, b, n = (size_t)snprintf(key, sizeof key, "\"%s%s%s\":{\"dtype\":\"", part, w, kind);
  char *at = strstr(header, key), *offsets = at ? strstr(at, "\"data_offsets\":[") : 0;
  if (!offsets || sscanf(offsets + 16, "%zu,%zu", &a, &b) != 2 || a > b || b > bytes) stop(offsets ? "is not within the file" : "is not there", key);
  size_t width = strncmp(at + n, "F64", 3) == 0 ? 8 : strncmp(at + n, "F32", 3) == 0 ? 4 : 1;
  union { double d; float s; } u;
  if (i >= (count = (b - a) / width)) return NAN;
  memcpy(&u, data + a + width * i, width);
  return width == 8 ? u.d : width == 4 ? u.s : data[a + i];
}
static int check(const char *rule, const char *w) { /* one tensor; gives back how much is wrong */
  int is_adam = !strcmp(rule, "adam"), seen = 0, wrong = 0;
  const char *slots[] = {"theta/", "m/", "v/"}, *names[] = {"lr", "beta1", "beta2", is_adam ? "eps" : "weight_decay"};
  size_t n = (get("start/theta/", w, "", 0), count), steps = (get("present/", w, "", 0), count);
  real *x = calloc(4 * n + 1, sizeof(real)), h[4]; /* theta, m, v, g, one after the other */
  for (size_t t = 0; t < steps; t++) {
    char at[99];
    for (int k = 0; k < 4; k++) h[k] = (real)get("hyper/", names[k], "", t);
    for (size_t i = 0; i < (2 + (size_t)is_adam) * n; i++) { /* begin where the last truth, rounded, says */
      snprintf(at, 99, "%s/%s", t ? "step" : "start", slots[i / n]);
      x[i] = (real)get(at, w, t ? "/hi" : "", t ? (t - 1) * n + i % n : i % n);
    }
    for (size_t i = 0; i < n; i++) x[3 * n + i] = (real)get("grad/", w, "", t * n + i);
    if (!get("present/", w, "", t)) continue;
    if (is_adam) adam(n, x, x + n, x + 2 * n, x + 3 * n, ++seen, h[0], h[1], h[2], h[3]);
    else lion(n, x, x + n, x + 3 * n, h[0], h[1], h[2], h[3]);
    for (size_t i = 0; i < (2 + (size_t)is_adam) * n; i++) {
      snprintf(at, 99, "step/%s", slots[i / n]);
      double hi = get(at, w, "/hi", t * n + i % n), lo = get(at, w, "/lo", t * n + i % n);
      if (!(fabs(x[i] - hi - lo) <= get(at, w, "/bound", t * n + i % n)) && !wrong++)
        printf("%s: %s%s, step %zu, element %zu: %.9g, not %.9g\n", rule, at, w, t + 1, i % n, (double)x[i], hi);
    }
  }
  return free(x), wrong;
}
int main(int given, char **arg) {
  int wrong = 0;
  for (int f = 1; f + 1 < given; f += 2) {
    load(arg[f + 1]);
    for (char *p = header, w[200] = ""; (p = strstr(p, "\"start/theta/"));)
      sscanf(p += 13, "%199[^\"]", w), wrong += check(arg[f], w);
  }
  return printf("%d wrong\n", wrong), wrong > 0;
}
