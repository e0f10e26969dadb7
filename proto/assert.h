/*
 * GANGER_ASSERT: our own broken promise. Always compiled in; never used on bytes that came
 * from outside. The handler prints the place and aborts; a test may set another one.
 */
#ifndef PROTO_ASSERT_H
#define PROTO_ASSERT_H

_Noreturn void ganger_assert_failed(const char *expr, const char *file, int line);

#define GANGER_ASSERT(cond)                                                                        \
    (__builtin_expect(!!(cond), 1) ? (void)0 : ganger_assert_failed(#cond, __FILE__, __LINE__))

#endif
