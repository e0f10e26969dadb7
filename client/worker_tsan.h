/* Whether this is built with ThreadSanitizer, whose own thread and books need exceptions. */
#ifndef CLIENT_WORKER_TSAN_H
#define CLIENT_WORKER_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define WORKER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WORKER_TSAN 1
#endif
#endif
#ifndef WORKER_TSAN
#define WORKER_TSAN 0
#endif

#endif
