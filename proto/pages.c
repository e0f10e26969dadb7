#include "proto/pages.h"

#include "proto/assert.h"

#include <stdint.h>
#include <sys/mman.h>

/* Of a large page; where it is another size, some are missed. */
#define HUGE_BYTES (2u * 1024 * 1024)

#if defined(__SANITIZE_ADDRESS__)
#define CHECKS_LEAKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CHECKS_LEAKS 1
#endif
#endif

#ifdef CHECKS_LEAKS
#include <sanitizer/lsan_interface.h>

/* What only these pages point to is no leak. */
static void root_add(const void *p, size_t bytes)
{
    __lsan_register_root_region(p, bytes);
}

static void root_remove(const void *p, size_t bytes)
{
    __lsan_unregister_root_region(p, bytes);
}
#else
static void root_add(const void *p, size_t bytes)
{
    (void)p;
    (void)bytes;
}

static void root_remove(const void *p, size_t bytes)
{
    (void)p;
    (void)bytes;
}
#endif

static void *map(size_t bytes)
{
    void *p = mmap(
        NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* Where the kernel refuses to split a mapping once more, at least the memory goes back. */
static void unmap(void *p, size_t bytes)
{
    if (bytes > 0 && munmap(p, bytes) < 0)
        pages_clear(p, bytes);
}

/* The same at an address that is a multiple of ALIGN, a power of two. */
static void *map_aligned(size_t bytes, size_t align)
{
    /* Mappings are placed one below the other, so after the first one this mostly fits. */
    char *p = map(bytes);
    size_t before;

    if (p == NULL || ((uintptr_t)p & (align - 1)) == 0)
        return p;
    unmap(p, bytes);
    p = map(bytes + align);
    if (p == NULL)
        return NULL;
    before = (size_t)(-(uintptr_t)p & (align - 1));
    unmap(p, before);
    unmap(p + before + bytes, align - before);
    return p + before;
}

static void *piece_map(size_t bytes)
{
    return bytes < HUGE_BYTES ? map(bytes) : map_aligned(bytes, HUGE_BYTES);
}

void *pages_new(size_t bytes)
{
    void *p = piece_map(bytes);

    if (p != NULL)
        root_add(p, bytes);
    return p;
}

void *pages_new_aligned(size_t bytes)
{
    void *p = map_aligned(bytes, bytes);

    if (p != NULL)
        root_add(p, bytes);
    return p;
}

void *pages_grow(void *p, size_t old_bytes, size_t bytes)
{
    void *grown;

    if (p == NULL)
        return pages_new(bytes);
    grown = mremap(p, old_bytes, bytes, MREMAP_MAYMOVE);
    if (grown == MAP_FAILED)
        return NULL;
    root_remove(p, old_bytes);
    root_add(grown, bytes);
    /* All of it: the kernel does not move a mapping of which only a part is advised. */
    if (bytes >= 2 * HUGE_BYTES)
        (void)madvise(grown, bytes, MADV_HUGEPAGE);
    return grown;
}

void pages_huge(void *p, size_t bytes)
{
    uintptr_t from = ((uintptr_t)p + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1);
    uintptr_t to = ((uintptr_t)p + bytes) & ~(uintptr_t)(HUGE_BYTES - 1);

    /* A kernel without them refuses, and all is as before. */
    if (p != NULL && from < to)
        (void)madvise((char *)p + (from - (uintptr_t)p), to - from, MADV_HUGEPAGE);
}

void pages_clear(void *p, size_t bytes)
{
    int rc = madvise(p, bytes, MADV_DONTNEED);

    GANGER_ASSERT(rc == 0);
}

void pages_free(void *p, size_t bytes)
{
    if (p == NULL)
        return;
    root_remove(p, bytes);
    unmap(p, bytes);
}

static struct pages_helper helper;

void pages_helper_set(const struct pages_helper *h)
{
    helper = h == NULL ? (struct pages_helper){ 0 } : *h;
}

void *pages_more(size_t bytes)
{
    void *p = helper.take == NULL ? NULL : helper.take(helper.ctx, bytes);

    if (p == NULL) {
        p = piece_map(bytes);
        pages_huge(p, bytes);
    }
    if (p != NULL)
        root_add(p, bytes);
    return p;
}

void pages_less(void *p, size_t bytes)
{
    pages_free(p, bytes);
    if (helper.enough != NULL)
        helper.enough(helper.ctx, bytes);
}

void *pages_piece(size_t bytes)
{
    void *p = piece_map(bytes);

    pages_huge(p, bytes);
    /* What a kernel before 5.14 cannot do at once is done page by page by whoever writes there. */
    if (p != NULL)
        (void)madvise(p, bytes, MADV_POPULATE_WRITE);
    return p;
}

void pages_piece_free(void *p, size_t bytes)
{
    unmap(p, bytes);
}
