/* profile.c -- work and time of operators; see profile.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"
#include "text_write.h"

int profile_open(struct profile *p, struct net *net, struct sluice_error *err)
{
    *p = (struct profile){ .net = net };
    p->times = calloc((size_t)net_op_count(net) + 1, sizeof(*p->times));
    if (!p->times)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a profile");
    net_measure(net, p->times);
    return 0;
}

void profile_forget_first(struct profile *p)
{
    if (!p->times || p->warm)
        return;
    memset(p->times, 0, (size_t)net_op_count(p->net) * sizeof(*p->times));
    *p = (struct profile){ .net = p->net, .times = p->times, .warm = true };
}

void profile_close(struct profile *p)
{
    if (p->times)
        net_measure(p->net, NULL);
    free(p->times);
    *p = (struct profile){ 0 };
}

static double per_image(const struct tensor *t)
{
    return t ? (double)tensor_bytes(t) / t->shape[0] : 0;
}

/* Of a pair that runs as one the first operator has the parameters. */
static const struct op *weighted(const struct op *op)
{
    return op->fusion ? op->first : op;
}

/* Input k. The tensor between the two operators of a joined pair is never in memory:
 * in its place stands what the first one reads. */
static const struct tensor *read_by(const struct op *op, int k)
{
    const struct tensor *in = op->in[k];
    return op->fusion && in && in == op->first->out[0] ? op->first->in[0] : in;
}

static double parameter_bytes(const struct op *op)
{
    double sum = 0;
    for (int i = 0; i < OP_PARAMS; i++)
        if (op->param[i])
            sum += (double)tensor_bytes(op->param[i]);
    return sum;
}

static double images_per_step(const struct profile *p)
{
    return p->steps ? (double)p->images / (double)p->steps : 0;
}

struct profile_rate profile_forward(const struct profile *p, int i)
{
    const struct op *op = net_op_at(p->net, i);
    const double images = images_per_step(p);
    double bytes = 0;
    if (op->within)
        return (struct profile_rate){ 0 };
    for (int k = 0; !op->def->alias && k < 2; k++)
        bytes += per_image(read_by(op, k)) + per_image(op->out[k]);
    return (struct profile_rate){
        .seconds = p->steps ? p->times[i].forward / (double)p->steps : 0,
        .flops = images * op_flops(weighted(op)),
        .bytes = images * bytes + parameter_bytes(weighted(op)),
    };
}

/* Gradients of outputs and what forward read are read, wanted gradients written. Where
 * an input's gradient is the output's memory, nothing moves. */
struct profile_rate profile_backward(const struct profile *p, int i)
{
    const struct op *op = net_op_at(p->net, i);
    if (op->within || op->settled)
        return (struct profile_rate){ 0 };
    const double images = images_per_step(p);
    double bytes = 0, written = 0, parameters = 0;
    int products = 0;
    for (int k = 0; k < 2; k++) {
        const struct tensor *in = read_by(op, k);
        const bool again = k == 1 && in && in->grad == op->in[0]->grad;
        if (in && in->grad && in->grad != op->out[0]->grad && !again)
            written += per_image(in);
        if (in && !op->def->alias && !op->def->alias_grad)
            bytes += per_image(in);
        if (op->out[k] && op->out[k]->grad)
            bytes += per_image(op->out[k]);
    }
    const struct op *of = weighted(op);
    for (int k = 0; k < OP_PARAMS; k++)
        if (of->param[k] && of->param[k]->grad && of->param[k]->trainable)
            parameters += (double)tensor_bytes(of->param[k]);
    products += of->in[0]->grad != NULL;
    products += of->param[0] && of->param[0]->grad && of->param[0]->trainable;
    return (struct profile_rate){
        .seconds = p->steps ? p->times[i].backward / (double)p->steps : 0,
        .flops = images * op_flops(of) * products,
        .bytes = written + parameters > 0 ? images * (bytes + written) + parameters : 0,
    };
}

static double rate(double work, double seconds)
{
    return seconds > 0 ? work / seconds : 0;
}

/* Share of the best arithmetic speed; for operators without a weight, of the memory's.
 */
static double share(const struct profile_rate *r, const struct profile_peaks *peaks)
{
    return r->flops > 0 ? rate(r->flops, r->seconds) / peaks->flops
                        : rate(r->bytes, r->seconds) / peaks->bytes;
}

static int put_rate(char *to, size_t size, const struct profile_rate *r,
                    const struct profile_peaks *peaks)
{
    char flops[16] = "-";
    if (r->flops > 0)
        snprintf(flops, sizeof(flops), "%.0f", rate(r->flops, r->seconds) * 1e-9);
    if (r->seconds == 0 || (r->flops == 0 && r->bytes == 0))
        return snprintf(to, size, " %9.3f %8s %7s %6s", r->seconds * 1e3, "-", "-",
                        "-");
    return snprintf(to, size, " %9.3f %8s %7.1f %5.0f%%", r->seconds * 1e3, flops,
                    rate(r->bytes, r->seconds) * 1e-9, 100 * share(r, peaks));
}

static void add(struct profile_rate *sum, struct profile_rate r)
{
    sum->seconds += r.seconds;
    sum->flops += r.flops;
    sum->bytes += r.bytes;
}

/* Sums over all operators, and what a step takes beside them. */
struct totals {
    struct profile_rate forward, backward;
    double step, wait, optimizer, rest;
};

static struct totals total(const struct profile *p)
{
    struct totals t = { { 0 }, { 0 }, 0, 0, 0, 0 };
    const double steps = p->steps ? (double)p->steps : 1;
    for (int i = 0; i < net_op_count(p->net); i++) {
        add(&t.forward, profile_forward(p, i));
        add(&t.backward, profile_backward(p, i));
    }
    t.step = p->total / steps;
    t.wait = p->wait / steps;
    t.optimizer = p->optimizer / steps;
    t.rest = t.step - t.wait - t.optimizer - t.forward.seconds - t.backward.seconds;
    return t;
}

static double of(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

static void print_totals(const struct profile *p, const struct profile_peaks *peaks,
                         void (*line)(void *ctx, const char *text), void *ctx)
{
    const struct totals t = total(p);
    const double all = rate(t.forward.flops + t.backward.flops, t.step);
    char text[240];
    int n = snprintf(text, sizeof(text), "%-12s %-22s", "all", "");
    n += put_rate(text + n, sizeof(text) - (size_t)n, &t.forward, peaks);
    put_rate(text + n, sizeof(text) - (size_t)n, &t.backward, peaks);
    line(ctx, text);
    snprintf(text, sizeof(text),
             "a step: %.1f ms: forward %.1f%%, backward %.1f%%, optimizer %.1f%%, "
             "waiting for data %.1f%%, the rest %.1f%%",
             t.step * 1e3, of(t.forward.seconds, t.step),
             of(t.backward.seconds, t.step), of(t.optimizer, t.step),
             of(t.wait, t.step), of(t.rest, t.step));
    line(ctx, text);
    snprintf(text, sizeof(text),
             "peak: %.0f GFLOP/s (%s), %.1f GB/s (a pass over memory); "
             "the steps reach %.0f GFLOP/s, %.1f%%; steps %llu, images %llu",
             peaks->flops * 1e-9,
             peaks->in_registers ? "in registers alone" : "a convolution or a product",
             peaks->bytes * 1e-9, all * 1e-9, of(all, peaks->flops),
             (unsigned long long)p->steps, (unsigned long long)p->images);
    line(ctx, text);
}

void profile_print(const struct profile *p, const struct profile_peaks *peaks,
                   void (*line)(void *ctx, const char *text), void *ctx)
{
    char text[240];
    snprintf(text, sizeof(text), "%-12s %-22s %9s %8s %7s %6s %9s %8s %7s %6s",
             "operator", "name", "fwd ms", "GFLOP/s", "GB/s", "peak", "bwd ms",
             "GFLOP/s", "GB/s", "peak");
    line(ctx, text);
    for (int i = 0; i < net_op_count(p->net); i++) {
        const struct op *op = net_op_at(p->net, i);
        const struct profile_rate forward = profile_forward(p, i);
        const struct profile_rate backward = profile_backward(p, i);
        int n = snprintf(text, sizeof(text), "%-12s %-22s", op->def->name, op->name);
        if (op->within) { /* the two run as one, in the second's turn */
            snprintf(text + n, sizeof(text) - (size_t)n, " in %s", op->within->name);
            line(ctx, text);
            continue;
        }
        n += put_rate(text + n, sizeof(text) - (size_t)n, &forward, peaks);
        put_rate(text + n, sizeof(text) - (size_t)n, &backward, peaks);
        line(ctx, text);
    }
    print_totals(p, peaks, line, ctx);
}

static void write_rate(FILE *to, const char *name, const struct profile_rate *r,
                       const struct profile_peaks *peaks)
{
    fprintf(to,
            "\"%s\": {\"seconds\": %.9g, \"flops\": %.9g, \"bytes\": %.9g, "
            "\"flops_per_second\": %.6g, \"bytes_per_second\": %.6g, "
            "\"share_of_peak\": %.6g}",
            name, r->seconds, r->flops, r->bytes, rate(r->flops, r->seconds),
            rate(r->bytes, r->seconds), share(r, peaks));
}

int profile_write(const struct profile *p, const struct profile_peaks *peaks,
                  const char *path, struct sluice_error *err)
{
    const struct totals t = total(p);
    struct new_file f;
    const int rc = file_begin(&f, path, err);
    if (rc < 0)
        return rc;
    fprintf(f.to, "{\n  \"steps\": %llu,\n  \"images\": %llu,\n  \"device\": ",
            (unsigned long long)p->steps, (unsigned long long)p->images);
    write_quoted(f.to, net_device(p->net)->about);
    fprintf(f.to,
            ",\n  \"peak_flops_per_second\": %.6g,\n"
            "  \"peak_bytes_per_second\": %.6g,\n"
            "  \"seconds_per_step\": %.9g,\n"
            "  \"optimizer_seconds\": %.9g,\n  \"wait_seconds\": %.9g,\n"
            "  \"other_seconds\": %.9g,\n  ",
            peaks->flops, peaks->bytes, t.step, t.optimizer, t.wait, t.rest);
    write_rate(f.to, "forward", &t.forward, peaks);
    fputs(",\n  ", f.to);
    write_rate(f.to, "backward", &t.backward, peaks);
    fputs(",\n  \"operators\": [", f.to);
    for (int i = 0; i < net_op_count(p->net); i++) {
        const struct op *op = net_op_at(p->net, i);
        const struct profile_rate forward = profile_forward(p, i);
        const struct profile_rate backward = profile_backward(p, i);
        fprintf(f.to, "%s\n    {\"name\": \"%s\", \"kind\": \"%s\", ", i ? "," : "",
                op->name, op->def->name);
        if (op->within)
            fprintf(f.to, "\"in\": \"%s\", ", op->within->name);
        write_rate(f.to, "forward", &forward, peaks);
        fputs(", ", f.to);
        write_rate(f.to, "backward", &backward, peaks);
        fputc('}', f.to);
    }
    fputs("\n  ]\n}\n", f.to);
    return file_commit(&f, err);
}
