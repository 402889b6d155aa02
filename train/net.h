/* net.h -- a network: an array of operators, one arena, forward and backward.
 *
 *     struct net *net;
 *     net_create(&net, dev, &(struct net_input){ 512, 32, 32, 3 }, &err);
 *     struct tensor *x = net_input(net);
 *     x = net_conv2d(net, x, "conv1", 64, 3, 1, 1, false);
 *     x = net_batchnorm(net, x, "bn1", ACT_RELU);
 *     ...
 *     net_softmax_xent(net, x, 0.1f);
 *     net_finish(net, &err);          // shapes, arena, primitives; reports any error
 * above net_forward(net, &pass, &err); net_backward(net, &pass, &err);
 */
#ifndef SLUICE_NET_H
#define SLUICE_NET_H

#include "ops/op.h"

struct net;

struct net_input {
    int batch; /* the largest */
    int height, width, channels;
};

int net_create(struct net **out, struct device *dev, const struct net_input *input,
               struct sluice_error *err);
void net_free(struct net *net); /* NULL is fine */

/* Building. Each appends an operator and returns its output. An error sticks: later
 * calls return NULL and net_finish reports the first one. */
struct tensor *
net_input(struct net *net); /* float or bf16: the device's compute type */
struct tensor *net_conv2d(struct net *net, struct tensor *x, const char *name,
                          int channels, int kernel, int stride, int pad, bool bias);
struct tensor *net_linear(struct net *net, struct tensor *x, const char *name,
                          int channels, bool bias);
struct tensor *net_batchnorm(struct net *net, struct tensor *x, const char *name,
                             enum activation act);
struct tensor *net_activation(struct net *net, struct tensor *x, enum activation act);
struct tensor *net_maxpool(struct net *net, struct tensor *x, int kernel, int stride);
struct tensor *net_globalmax(struct net *net, struct tensor *x);
struct tensor *net_globalavg(struct net *net, struct tensor *x);
struct tensor *net_dropout(struct net *net, struct tensor *x, float p);
/* The same of whole channels of an image. */
struct tensor *net_dropout_channels(struct net *net, struct tensor *x, float p);
/* A residual branch that training leaves out with probability p: see ops/droppath.c. */
struct tensor *net_droppath(struct net *net, struct tensor *x, float p, bool per_sample,
                            enum drop_scaling scaling);
/* x (n, h, w, c) times factors (n, 1, 1, c). */
struct tensor *net_gate(struct net *net, struct tensor *x, struct tensor *factors);
/* (n, 1, 1, c h w), channel by channel; a linear layer needs no such thing. */
struct tensor *net_flatten(struct net *net, struct tensor *x);
struct tensor *net_softmax(struct net *net, struct tensor *x);
struct tensor *net_scale(struct net *net, struct tensor *x, float scale);
struct tensor *net_add(struct net *net, struct tensor *a, struct tensor *b);
struct tensor *net_add_relu(struct net *net, struct tensor *a, struct tensor *b);
/* The channels of a, then those of b. */
struct tensor *net_concat(struct net *net, struct tensor *a, struct tensor *b);
/* x continues as *a and *b. */
void net_fork(struct net *net, struct tensor *x, struct tensor **a, struct tensor **b);
struct tensor *net_softmax_xent(struct net *net, struct tensor *x,
                                float label_smoothing);
/* The loss of a part of the network, counted `weight` times: head 1 and on, built
 * before the network's own. */
struct tensor *net_head_loss(struct net *net, struct tensor *x, int head, float weight,
                             float label_smoothing);
/* For an operator with unusual attributes: any of the above is a call of this one. */
struct tensor *net_op(struct net *net, const struct op_def *def, const char *name,
                      const struct op_attr *attr, struct tensor *a, struct tensor *b);
/* The operator appended last, to mark its parameters (lr_scale, trainable). */
struct op *net_last(struct net *net);

/* What the network was to be made of is wrong: net_finish reports it, unless something
 * was wrong before. */
__attribute__((format(printf, 2, 3))) void net_fail(struct net *net, const char *format,
                                                    ...);

int net_finish(struct net *net, struct sluice_error *err);

/* Run with `n` images from now on, 1 <= n <= the largest. Primitives of the two sizes
 * used last are kept, so a short last batch costs nothing after its first time. */
int net_resize(struct net *net, int n, struct sluice_error *err);
int net_forward(struct net *net, struct pass *pass, struct sluice_error *err);
int net_backward(struct net *net, struct pass *pass, struct sluice_error *err);
/* After parameters were written from outside: refresh the operators' packed copies. */
void net_params_changed(struct net *net);

/* Before epoch `epoch`, counted from 0: freeze the parameters whose train_epochs are
 * over, for good. Backward then leaves out what is needed for them alone. */
void net_freeze(struct net *net, uint64_t epoch);

/* Seconds of each operator, in its place, summed over passes with pass->training. */
struct op_time {
    double forward, backward;
};
/* Add to these from now on; NULL: to none. */
void net_measure(struct net *net, struct op_time *times);

/* Introspection; pointers belong to the net. */
struct device *net_device(struct net *net);
int net_op_count(const struct net *net);
struct op *net_op_at(struct net *net, int i);
int net_param_count(const struct net *net);
struct tensor *net_param(struct net *net, int i); /* in the order they were built */
int net_buffer_count(const struct net *net);
struct tensor *net_buffer(struct net *net, int i);
/* All gradients, which lie in one piece, with nothing of use between them. */
float *net_gradients(struct net *net, size_t *count);
size_t net_param_elements(const struct net *net);  /* trainable or not; no buffers */
struct tensor *net_probabilities(struct net *net); /* (n, 1, 1, classes), float */
/* Losses, of which there is one with each number from 0 on, and the operator of one. */
int net_heads(const struct net *net);
struct op *net_head(const struct net *net, int head);
/* Changes whenever the operators' states for the present batch size are other ones. */
uint64_t net_plan(const struct net *net);
size_t net_memory(const struct net *net); /* bytes of the arena */
/* What they are for; activations with their gradients, as far as they live at once. */
struct net_bytes {
    size_t parameters, gradients, buffers, activations;
};
struct net_bytes net_memory_parts(const struct net *net);
/* Floating-point operations of one image's forward pass: two for each multiply-add of
 * an operator with a weight, of this one or of all. */
double op_flops(const struct op *op);
double net_flops(const struct net *net);

#endif
