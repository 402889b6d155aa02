/* net_times.c -- how long each operator takes. On a device that runs behind the host
 * the stream itself is stamped, and its times are fetched at the end of each pass. */
#include "clock.h"
#include "device_memory.h"
#include "net_internal.h"

void net_measure(struct net *net, struct op_time *times)
{
    net->times = times;
}

static int run(struct net *net, struct op *op, bool forward, struct pass *pass,
               struct sluice_error *err)
{
    return forward ? net_op_forward(net, op, pass, err)
                   : net_op_backward(net, op, pass, err);
}

static int run_stamped(struct net *net, struct op *op, bool forward, struct pass *pass,
                       struct sluice_error *err)
{
    int rc = device_stamp(net->dev, 2 * op->number, err);
    if (rc == 0)
        rc = run(net, op, forward, pass, err);
    if (rc == 0)
        rc = device_stamp(net->dev, 2 * op->number + 1, err);
    op->stamped = rc == 0;
    return rc;
}

static bool is_timed(const struct net *net, const struct pass *pass)
{
    return pass->training && net->times;
}

static void add(struct net *net, const struct op *op, bool forward, double seconds)
{
    struct op_time *time = &net->times[op->number];
    *(forward ? &time->forward : &time->backward) += seconds;
}

int net_timed(struct net *net, struct op *op, bool forward, struct pass *pass,
              struct sluice_error *err)
{
    if (!is_timed(net, pass))
        return run(net, op, forward, pass, err);
    if (device_has_memory(net->dev))
        return run_stamped(net, op, forward, pass, err);
    const double start = clock_seconds();
    const int rc = run(net, op, forward, pass, err);
    add(net, op, forward, clock_seconds() - start);
    return rc;
}

int net_fetch_times(struct net *net, bool forward, const struct pass *pass,
                    struct sluice_error *err)
{
    if (!is_timed(net, pass) || !device_has_memory(net->dev))
        return 0;
    int rc = device_wait(net->dev, err);
    for (int i = 0; i < net->ops.count && rc == 0; i++) {
        struct op *op = net_op_of(net, i);
        double seconds = 0;
        if (op->stamped)
            rc = device_between(net->dev, 2 * i, 2 * i + 1, &seconds, err);
        op->stamped = false;
        add(net, op, forward, seconds);
    }
    return rc;
}
