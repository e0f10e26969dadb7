#include "store/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/err.h"

int fault_set(const struct fault *fault, int code, const char *format, ...)
{
    va_list args;

    if (fault->text != NULL && fault->bytes > 0) {
        va_start(args, format);
        /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is started above. */
        (void)vsnprintf(fault->text, fault->bytes, format, args);
        va_end(args);
    }
    return code;
}

int fault_code(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
        return GANGER_EACCES;
    case ENOSPC:
    case EDQUOT:
        return GANGER_EFULL;
    case ENOMEM:
        return GANGER_ENOMEM;
    default:
        return GANGER_EIO;
    }
}
