/* error.c -- filling in a struct sluice_error. */
#include <stdarg.h>
#include <stdio.h>

#include <sluice/error.h>

int sluice_fail(struct sluice_error *err, enum sluice_code code, const char *fmt, ...)
{
    if (err) {
        va_list args;
        err->code = code;
        va_start(args, fmt);
        vsnprintf(err->message, sizeof(err->message), fmt, args);
        va_end(args);
    }
    return code;
}

const char *sluice_code_name(int code)
{
    switch (code) {
    case SLUICE_OK:
        return "ok";
    case SLUICE_EINVAL:
        return "invalid";
    case SLUICE_ENOMEM:
        return "memory";
    case SLUICE_EIO:
        return "io";
    case SLUICE_ECORRUPT:
        return "corrupt";
    case SLUICE_EVERSION:
        return "version";
    case SLUICE_EUNBUILT:
        return "unbuilt";
    case SLUICE_EDEVICE:
        return "device";
    case SLUICE_ESTOPPED:
        return "stopped";
    case SLUICE_EAGAIN:
        return "again";
    default:
        return "unknown";
    }
}
