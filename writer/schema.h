/* schema.h -- is a schema well formed, and which of its payloads have one size? */
#ifndef SLUICE_SCHEMA_H
#define SLUICE_SCHEMA_H

#include <sluice/writer.h>

/* SLUICE_EINVAL unless it is; `path` is for the message. */
int schema_check(const char *path, const struct sluice_schema *s,
                 struct sluice_error *err);
/* Bytes of each raw payload of the field; 0: they vary, or it has none. */
uint64_t schema_payload(const struct sluice_field *f);

#endif
