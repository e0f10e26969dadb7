/*
 * Inside libganger's client side: the handle, its link to the daemon, and its slots.
 *
 * A slot is a struct ganger_future: what will become of one task, attached task or request. Its
 * number plus one is the `req` on the wire, so an answer is found by indexing. Slots live in pages
 * that never move. A slot is given out again only when the daemon can send nothing more for its
 * number.
 *
 * Output: frames gather in `out` (pieces.h); submits go into one open batch frame. A frame is kept
 * whole until all of it is sent: a broken connection leaves exactly the frames that the daemon
 * cannot have read.
 *
 * Nothing breaks the link in the middle of a dispatch: link_fail() notes it, link_tend() acts.
 */
#ifndef CLIENT_HANDLE_H
#define CLIENT_HANDLE_H

#include "ganger/ganger.h"
#include "pieces.h"
#include "proto/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_PAGE_BITS 8
#define SLOT_PAGE      (1u << SLOT_PAGE_BITS)
#define SLOT_INLINE    72u /* bytes of a result kept in the slot itself */
#define SLOTS_MAX      (1u << 26)
#define READ_BYTES     (256u * 1024)
#define FLUSH_BYTES    (64u * 1024) /* this much gathered output is written at once */
#define OUTPUT_DEFAULT (4u * 1024 * 1024)
#define RECONNECT_MS   30000
#define RETRY_FIRST_MS 10
#define RETRY_MAX_MS   1000
#define TEXT_BYTES     512u
#define NEVER          INT64_MAX

enum link_state {
    LINK_DOWN,  /* no socket; the next attempt is at retry_at */
    LINK_HELLO, /* connected, our hello is sent, theirs is awaited */
    LINK_UP,
    LINK_DEAD /* for good; dead_code says why */
};

enum slot_kind { SLOT_FREE = 0, SLOT_TASK, SLOT_ATTACH, SLOT_REQUEST };

enum slot_phase {
    PHASE_HELD,     /* a task that waits for room in its pool; nothing of it is on the wire */
    PHASE_SENT,     /* in the output or sent; not answered */
    PHASE_ACCEPTED, /* a task or attached task with a known id */
    PHASE_ENDED,    /* its end is being handled: callbacks run */
    PHASE_READY
};

enum slot_flag {
    SLOT_QUIET = 1,
    SLOT_WAIT_ROOM = 2,
    SLOT_DETACHED = 4,
    SLOT_CANCEL = 8,     /* cancel as soon as the id is known */
    SLOT_ZOMBIE = 16,    /* its owner has freed it; it waits for the daemon's last word */
    SLOT_AUTO_FREE = 32, /* freed after its callback */
    SLOT_UNSENT = 64,    /* while the link is down: its frame is still whole in the output */
    SLOT_REATTACHED = 128,
    SLOT_LISTED = 256, /* in the list of ready futures */
    SLOT_HIDDEN = 512, /* of a blocking helper: left out of ganger_wait_next() */
    SLOT_IN_CALLBACK = 1024,
    SLOT_UNWAITED = 2048, /* zombie with an UNWAIT under way */
    SLOT_LOST = 4096      /* about to be ended because the link broke */
};

struct slot_call;
struct failure_box;

/* What few slots need. */
struct slot_extra {
    ganger_result_fn on_result;
    ganger_error_fn on_error;
    void *callback_user;
    struct msg_request request; /* SLOT_REQUEST: to send it again; name in NAME */
    char name[GANGER_NAME_MAX + 1];
    char *text; /* of an error that did not come as a detail */
    struct failure_box *box;
    struct ganger_progress progress;
    char *progress_text;
};

struct ganger_future {
    struct ganger *g;
    uint64_t id;
    uint8_t *data; /* result or detail: INLINE_DATA, or malloc'd */
    size_t len;
    struct slot_extra *extra;              /* NULL until needed */
    void (*hook)(struct ganger_future *f); /* who is told of the end instead of the caller */
    void *hook_arg;
    void *user;
    struct slot_call *call; /* the task, while it may have to be submitted again */
    uint32_t req;
    uint32_t next,
        prev; /* req numbers: free list, list of ready ones, or waiters for room; 0 = end */
    uint32_t attempts;
    int code;
    uint16_t flags;
    uint8_t kind, phase, end;
    uint8_t inline_data[SLOT_INLINE];
};

struct slot_list {
    uint32_t first, last, count;
};

/* Tasks of one pool that were refused as full, in order; one ROOM request at a time. */
struct room {
    struct room *next;
    struct slot_list waiting;
    uint32_t asked; /* tasks that the request under way asks for; 0 = none is */
    bool small;     /* ask for one task at a time: the pool never holds more */
    char pool[GANGER_NAME_MAX + 1];
};

struct ganger {
    volatile uint32_t *alive; /* a page that a fork wipes: 0 in a child */
    char *path;
    int fd, wake_fd;
    enum link_state state;
    bool nonblocking;
    bool inside;     /* in a callback or a source */
    bool processing; /* in link_tend() and below */
    bool heard;      /* the present link has brought a message after the hello */
    bool opened;     /* a handshake was completed once */
    bool writable;   /* the last write was not cut short */
    int fail_code;   /* the link is to be taken down; 0 = no */
    int dead_code;
    uint32_t spin_us;
    size_t output_max, held_bytes; /* held: payloads of tasks that wait for room */
    int64_t reconnect_ms;
    int64_t up_since, retry_at, retry_wait, give_up_at, hello_by; /* monotonic ms */

    struct pieces out;
    struct batch batch;
    bool batch_open;
    size_t batch_from; /* out.last.len where the batch began */
    struct msg_submit scratch;
    uint64_t acted; /* fencing number of the attempt that the daemon was told of, 0 = none */

    uint8_t *in;
    size_t in_len, in_cap;

    struct ganger_future **pages;
    uint32_t page_count, slot_count;
    uint32_t free_first;
    struct slot_list ready;

    struct room *rooms;
    struct ganger_map *maps;

    struct msg_hello server; /* its name is in server_text */
    char server_text[GANGER_NAME_MAX + 1];
    char error[TEXT_BYTES];
};

/* ---- text.c ---- */
/* Note CODE with its text in the handle; returns CODE. */
int fail(struct ganger *g, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* As fail(), with the code's own text. */
int fail_plain(struct ganger *g, int code);
/* Monotonic milliseconds. */
int64_t clock_ms(void);
/* NOW + MS without overflow; NEVER for GANGER_FOREVER; MS below 0 counts as 0. */
int64_t deadline_after(int64_t now, int64_t ms);
/* GANGER_ESTATE in a forked child, else 0. */
int handle_check(struct ganger *g);
/* As handle_check(), and GANGER_ESTATE inside a callback: for calls that block. */
int handle_check_block(struct ganger *g);
/* Length of NAME if it is 1..name_max bytes (or 0 if MAY_BE_EMPTY), else GANGER_EINVAL, _ETOOBIG.
 */
int64_t name_check(struct ganger *g, const char *what, const char *name, bool may_be_empty);

/* ---- link.c ---- */
/* Begin to connect: LINK_HELLO, or LINK_DOWN with a time to try again, or an error. */
int link_start(struct ganger *g);
/* One turn without waiting: clock, reads (if READ), writes, what broke. 0 or the dead link's code.
 */
int link_tend(struct ganger *g, bool read);
/* Write what is there, without waiting; a failure is noted for link_tend(). */
void link_write(struct ganger *g);
/* Note that the link is to be taken down. TEXT is kept as the handle's last error. */
void link_fail(struct ganger *g, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Handle every whole frame that was read. */
void link_parse(struct ganger *g);
/* The hello of the daemon has come: check and keep it; the link is up. */
void link_hello(struct ganger *g, const struct msg_hello *hello);

/* ---- relink.c ---- */
/* The link broke: drop what was sent from the output, end what has no known fate. */
void relink_broken(struct ganger *g);
/* The link is up again: take waits and requests up again. */
void relink_restore(struct ganger *g);
/* The link is gone for good: end all. */
void relink_dead(struct ganger *g);

/* ---- output.c ---- */
/* The bytes that count against the bound. */
size_t output_bytes(const struct ganger *g);
/* Close the open batch frame, if any. */
void output_close_batch(struct ganger *g);
/*
 * Add one submit to the output: closes and opens batches as needed. What is waited for is preceded
 * by the request ACT if it is another attempt that waits than before. 0 or GANGER_ENOMEM.
 */
int output_submit(struct ganger *g, const struct msg_submit *m);
/* As output_submit(), but the caller must put the payload's bytes at *ret_place at once. */
int output_place(struct ganger *g, const struct msg_submit *m, uint8_t **ret_place);
/* Add a request, WAIT as above. 0 or GANGER_ENOMEM. */
int output_request(struct ganger *g, const struct msg_request *m);
/* A new link knows of no attempt: tell it. 0 or GANGER_ENOMEM. */
int output_renew_act(struct ganger *g);

/* ---- slot.c ---- */
/* A new slot in PHASE_SENT, or NULL (out of memory or of numbers). */
struct ganger_future *slot_new(struct ganger *g, enum slot_kind kind);
/* The slot with the wire number REQ, NULL if there is none in use. */
struct ganger_future *slot_find(const struct ganger *g, uint64_t req);
/* Extra part, made when needed; NULL when out of memory. */
struct slot_extra *slot_extra(struct ganger_future *f);
/* The used slot after *REQ (0 at first), which is moved to it; NULL: there are no more. */
struct ganger_future *slot_next(const struct ganger *g, uint32_t *req);
/* Free the slot and its number. */
void slot_free(struct ganger_future *f);
/* Keep a copy of the result; without memory the slot's code becomes GANGER_ENOMEM. */
void slot_keep(struct ganger_future *f, const void *data, size_t len);
void slot_keep_text(struct ganger_future *f, const void *text, size_t len);
/* The slot ended with CODE (0: well): hook, callbacks, list of ready ones; frees a zombie. */
void slot_finish(struct ganger_future *f, int code);
/* As slot_finish() with a text. */
void slot_finish_text(struct ganger_future *f, int code, const char *text);
/* Nobody wants the slot any more. */
void slot_release(struct ganger_future *f);
/* Whether ganger_wait_next() gives it: not one with a hook or a callback, nor of a helper. */
bool slot_counted(const struct ganger_future *f);
/* Lists by req numbers. */
void list_add(struct ganger *g, struct slot_list *list, struct ganger_future *f);
void list_remove(struct ganger *g, struct slot_list *list, struct ganger_future *f);
/* Free every slot and page. */
void slots_done(struct ganger *g);

/* ---- dispatch.c ---- */
/* Handle one frame body. 0, or a negative code: the link is to be taken down. */
int dispatch_frame(struct ganger *g, const uint8_t *body, size_t len);

/* ---- call.c ---- */
/* What tasks have in common: all that the chunks of a map share. */
struct call_head {
    uint32_t refs;
    uint32_t pool_bytes, function_bytes;
    char pool[GANGER_NAME_MAX + 1];
    char function[GANGER_NAME_MAX + 1];
    struct task_options options;
    char need_names[GANGER_NEEDS_MAX][GANGER_NAME_MAX + 1];
};
/* One task with everything copied, to be submitted again. */
struct slot_call {
    struct call_head *head; /* one reference */
    uint32_t flags;
    size_t payload_bytes;
    uint8_t payload[];
};
/* Check OPTIONS (NULL = none) and convert them; slices borrow. *ret_flags: wire flags. */
int options_convert(struct ganger *g, const struct ganger_options *options,
    struct task_options *ret, uint32_t *ret_flags);
/* Copy names and options of M, with one reference. NULL: out of memory. */
struct call_head *call_head_new(const struct msg_submit *m);
/* Give back one reference; accepts NULL. */
void call_head_unref(struct call_head *head);
/* M's names and options as HEAD says, borrowing from it. */
void call_head_fill(const struct call_head *head, struct msg_submit *ret_m);
/* A call with room for a payload, and with a reference of its own. NULL: out of memory. */
struct slot_call *call_new(struct call_head *head, uint32_t flags, size_t payload_bytes);
void call_free(struct slot_call *call);
/* M as CALL says, borrowing from it. */
void call_fill(const struct slot_call *call, struct msg_submit *ret_m);

/* ---- submit.c ---- */
/* Put M on the wire for the new slot F, or hold it for room. CALL (may be NULL) is taken. */
int submit_slot(struct ganger_future *f, struct msg_submit *m, struct slot_call *call);

/* ---- room.c ---- */
/* F was refused as full (or its pool is known to be): hold it. 0 or GANGER_ENOMEM. */
int room_hold(struct ganger_future *f);
/* True when tasks of POOL are held already. */
bool room_busy(const struct ganger *g, struct slice pool);
/* F is no longer to be submitted. */
void room_drop(struct ganger_future *f);
void rooms_done(struct ganger *g);

/* ---- request.c ---- */
/* A new request slot, sent. 0, or GANGER_ENOMEM, GANGER_ECONN. */
int request_send(struct ganger *g, const struct msg_request *m, struct ganger_future **ret_f);
/* Send the request or WAIT of F (again). */
int request_resend(struct ganger_future *f);
/* Cancel the task of F, whose id is known. */
int request_cancel(struct ganger_future *f);
/* The end of F, a zombie, is no longer wanted: send UNWAIT; F is freed when that is answered. */
int request_unwait(struct ganger_future *f);

/* ---- wait.c ---- */
/* Wait until DONE says so. 0, GANGER_ETIMEDOUT, _EINTR, _ESTATE, or the dead link's code. */
int wait_for(struct ganger *g, bool (*done)(void *arg), void *arg, int64_t timeout_ms);

/* ---- failure.c ---- */
/* Failure as the user sees it, with its strings. */
struct failure_box {
    struct ganger_failure failure;
    char text[GANGER_TEXT_MAX + 1];
    char backtrace[GANGER_TEXT_MAX + 1];
};
struct failure_source {
    int code;
    enum ganger_end end;
    uint32_t attempts;
    const char *text; /* NULL: from the detail, or the code's own */
    const void *detail;
    size_t detail_len;
};
/* Fill BOX; value and stderr borrow from the detail. */
void failure_fill(struct failure_box *box, const struct failure_source *source);
/* Failure of a slot that has ended, kept with it; NULL: out of memory. */
const struct ganger_failure *failure_of(struct ganger_future *f);

/* ---- map_chunk.c ---- */
/* F, the task of a chunk, has to be submitted again: make its call. 0 or GANGER_ENOMEM. */
int chunk_recall(struct ganger_future *f);

/* ---- map.c ---- */
/* Submit more of every map that may. */
void maps_feed(struct ganger *g);
void maps_done(struct ganger *g);

#endif
