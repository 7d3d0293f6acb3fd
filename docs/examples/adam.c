/* Adam in C, judged through docs/protocol.md: arrays as exact hexadecimal numbers, level 0.
 *
 *   cc -O2 -o adam adam.c -lm
 *   python -m goldstep.conformance --impl="cmd:./adam"
 *
 * Keys and tensors come in the order that the protocol shows, so strstr is parser enough. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { char head[256]; int n, t; double *theta, *g, *m, *v; } Tensor;

static Tensor tensors[64];
static int count;
static double lr, beta1, beta2, eps;

static void hyper(const char *line, const char *key, double *value) {
    const char *at = strstr(line, key);
    if (at) *value = strtod(at + strlen(key), NULL);
}

/* Read ["0x1.8p+1",...] into x, which has room for it; gives back how many there were. */
static int numbers(const char *at, double *x) {
    int n = 0;
    for (char *end = (char *)++at; *at != ']'; at = end + 1, n++)
        x[n] = strtod(at + strspn(at, ",\""), &end);
    return n;
}

static void make(const char *line) {
    hyper(line, "\"lr\":", &lr), hyper(line, "\"beta1\":", &beta1);
    hyper(line, "\"beta2\":", &beta2), hyper(line, "\"eps\":", &eps);
    count = 0;
    for (const char *at = line, *data; (at = strstr(at, "{\"name\":")); at = data) {
        Tensor *p = &tensors[count++];
        data = strstr(at, "\"data\":") + 7;
        snprintf(p->head, sizeof p->head, "%.*s", (int)(data - at), at); /* name, type, shape */
        size_t room = strcspn(data, "]") + 1; /* more than there are numbers */
        p->theta = calloc(4 * room, sizeof *p->theta);
        p->g = p->theta + room, p->m = p->g + room, p->v = p->m + room;
        p->n = numbers(data, p->theta), p->t = 0;
    }
    puts("{}");
}

static void step(const char *at) {
    hyper(at, "\"lr\":", &lr);
    printf("{\"params\":[");
    for (Tensor *p = tensors; p < tensors + count; p++) {
        at = strstr(at, "\"data\":") + 7;
        if (*at == '[') { /* else it is null: no gradient, no step */
            numbers(at, p->g);
            double c1 = 1 - pow(beta1, ++p->t), c2 = 1 - pow(beta2, p->t);
            for (int i = 0; i < p->n; i++) {
                p->m[i] += (1 - beta1) * (p->g[i] - p->m[i]);
                p->v[i] += (1 - beta2) * (p->g[i] * p->g[i] - p->v[i]);
                p->theta[i] -= lr * (p->m[i] / c1) / (sqrt(p->v[i] / c2) + eps);
            }
        }
        printf("%s%s[", p > tensors ? "," : "", p->head);
        for (int i = 0; i < p->n; i++) printf("%s\"%a\"", i ? "," : "", p->theta[i]);
        printf("]}");
    }
    puts("]}");
}

int main(void) {
    size_t room = 0;
    for (char *line = NULL; getline(&line, &room, stdin) > 0; fflush(stdout))
        if (strstr(line, "\"op\":\"hello\""))
            puts("{\"protocol\":1,\"version\":\"1.0\",\"rules\":[\"adam\"],\"dtypes\":[\"float64\"],"
                 "\"arrays\":\"hex\",\"capabilities\":[\"changes\",\"absences\"]}");
        else if (strstr(line, "\"op\":\"make\"")) make(line);
        else if (strstr(line, "\"op\":\"step\"")) step(line);
        else return 0; /* close */
}
