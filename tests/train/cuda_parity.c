/* cuda_parity.c -- device cuda against the reference, for every operator and case and
 * in every precision: on a GPU, or with "host" the kernels' bodies and all that is
 * above them on the CPU. "host convolutions": those
 * of our own kernels. "own" leaves out what a library computes; "probe" says which
 * GPU there is. */
#include "gpu_on_host.h"
#include "parity_rig.h"

static bool own_only;   /* no operator that a library computes */
static bool convs_only; /* convolutions, by our own kernels */
static bool on_host;

/* `half`: how far one rounding may be off, of a result in half precision. A convolution
 * rounds before it adds its bias, and once more behind it. */
static void check_device(const char *precision, double half)
{
    struct device *dev;
    struct sluice_error err = { 0 };
    REQUIRE(device_open(&dev, "cuda", precision, 0, &err) == 0, "%s", err.message);
    printf("%s\n", dev->about);
    for (int i = 0; op_registry[i]; i++) {
        if (own_only && (op_registry[i] == &op_conv2d || op_registry[i] == &op_linear))
            continue;
        if (convs_only && op_registry[i] != &op_conv2d)
            continue;
        CHECK(op_registry[i]->on[DEVICE_CUDA], "%s is not on device cuda",
              op_registry[i]->name);
        for (const struct op_case *c = op_registry[i]->cases; c->name; c++) {
            /* Large ones are for the CPU's ways to cut them up; played on the host
             * they take minutes. */
            if (on_host && op_registry[i] == &op_conv2d &&
                strncmp(c->name, "batch", 5) == 0)
                continue;
            limits.half = c->attr.bias ? 2 * half : half;
            limits.half_rms = c->attr.bias ? 2 * half : 3e-5;
            limits.gradient = dev->compute == SLUICE_F32 ? 0 : half;
            check_case(op_registry[i], c, dev, precision);
        }
    }
    device_close(dev);
}

/* Which GPU there is. 77: none; 1: one that cannot be used. */
static int probe(void)
{
    struct sluice_error err = { 0 };
    struct device *dev;
    const int rc = device_open(&dev, "cuda", "auto", 0, &err);
    puts(rc < 0 ? err.message : dev->about);
    if (rc == 0)
        device_close(dev);
    return rc == SLUICE_EUNBUILT ? 77 : rc < 0;
}

/* "auto" is the fastest there is. */
static void check_auto(void)
{
    struct sluice_error err = { 0 };
    struct device *dev;
    REQUIRE(device_open(&dev, "auto", "auto", 0, &err) == 0, "%s", err.message);
    CHECK(dev->kind == DEVICE_CUDA, "auto is %s", dev->about);
    device_close(dev);
    CHECK(device_open(&dev, "auto", "half", 0, &err) == SLUICE_EINVAL &&
              strstr(err.message, "precision 'half'"),
          "%s", err.message);
}

int main(int argc, char **argv)
{
    struct sluice_error err = { 0 };
    struct device *dev;
    on_host = argc > 1 && strcmp(argv[1], "host") == 0;
    if (argc > 1 && strcmp(argv[1], "probe") == 0)
        return probe();
    own_only = argc > 1 && strcmp(argv[1], "own") == 0;
    convs_only = on_host && argc > 2 && strcmp(argv[2], "convolutions") == 0;
    if (on_host)
        gpu_on_host(true);
    if (convs_only)
        gpu_on_host_own();
    if (device_open(&dev, "cuda", "auto", 0, &err) == SLUICE_EUNBUILT)
        SKIP("%s", err.message);
    device_close(dev);
    REQUIRE(device_open(&ref, "ref", "auto", 0, &err) == 0, "%s", err.message);
    check_auto();
    check_device("f32", 0);
    check_device("bf16", 0x1p-8);
    check_device("f16", 0x1p-11);
    limits.relative = limits.rms = 2e-3;
    if (!on_host)
        check_device("tf32", 0);
    device_close(ref);
    return check_done();
}
