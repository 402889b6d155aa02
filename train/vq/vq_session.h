/* vq_session.h -- what every part of `sluice vq` works with: data, a classifier, the
 * refiner that writes its weights, and measures of both. */
#ifndef SLUICE_VQ_SESSION_H
#define SLUICE_VQ_SESSION_H

#include "vq_draws.h"
#include "vq_file.h"
#include "vq_inner.h"

struct vq_session {
    struct vq_config *cfg;
    struct device *dev;
    struct workers *own;     /* NULL: the device's are used */
    struct workers *workers; /* NULL: the caller alone */
    int threads;
    struct vq_data data;
    struct vq_inner *inner;
    struct refiner *refiner;
    struct refiner_options options; /* of it */
};

enum vq_needs {
    VQ_TO_TRAIN,   /* moments and traces */
    VQ_TO_MEASURE, /* both sets, no moments */
    VQ_TO_ENCODE,  /* the test set alone */
    VQ_TO_SAMPLE,  /* no data */
};

/* Opens all but the refiner, and fills `options`. */
int vq_session_open(struct vq_session *s, struct vq_config *cfg, enum vq_needs needs,
                    struct sluice_error *err);
/* Memory that the machine or this process's cgroup lacks is SLUICE_ENOMEM, with what
 * would help. */
int vq_session_open_refiner(struct vq_session *s, struct sluice_error *err);
void vq_session_close(struct vq_session *s); /* a zeroed one is fine */
/* One line about memory. */
const char *vq_session_memory(const struct vq_session *s, char buf[256]);

/* Latents `first` to first + n - 1 of what and step, decoded to thetas (n, size). */
int vq_session_sample(struct vq_session *s, enum vq_draw what, uint64_t step,
                      uint32_t first, int n, float *thetas, struct sluice_error *err);

struct vq_score {
    double ensemble; /* accuracy 0..1 of the sum of probabilities */
    double single;   /* mean accuracy of the classifiers alone */
};
/* Of the classifiers thetas (n, size) on all images of the feed. */
int vq_session_score(struct vq_session *s, struct vq_feed *feed, const float *thetas,
                     int n, struct vq_score *out, struct sluice_error *err);
/* Of each coordinate over n thetas (the population's), averaged over coordinates. */
double vq_variance(const float *thetas, int n, size_t size);
/* The whole evaluation of a step, by draws that are its own. */
struct vq_evaluation {
    struct vq_score train, test;
    double variance; /* of four more latents */
};
int vq_session_evaluate(struct vq_session *s, uint64_t step, struct vq_evaluation *out,
                        struct sluice_error *err);

#endif
