/* kernels_all.h -- the bodies of all kernels, and their numbers. */
#ifndef SLUICE_KERNELS_ALL_H
#define SLUICE_KERNELS_ALL_H

#include "kernels_channel.h"
#include "kernels_conv.h"
#include "kernels_pool.h"
#include "kernels_share.h"
#include "kernels_train.h"
#include "kernels_views.h"

enum gpu_kernel {
#define KERNEL(name, args, phases, room) KERNEL_##name,
#include "kernel_list.h"
#undef KERNEL
    KERNELS,
};

#endif
