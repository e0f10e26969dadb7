/*
 * Typed messages <-> msgpack arrays. PROTOCOL.md describes every field.
 *
 * Decoders are strict: exact types, bounds checked before anything is stored, the exact end
 * of the frame; but unknown *trailing* fields of a message or an item are skipped. Decoded slices
 * borrow from the frame. Encoders write one whole frame (msg_xxx) or one item of a batch frame.
 * What a decoder was to fill is undefined after it returned an error.
 *
 * Codes are 0 or a negative GANGER_E..., in the structures as on the wire. Texts (not names) that
 * are over GANGER_TEXT_MAX are cut by the encoder, between UTF-8 characters.
 *
 * A batch message is [type, [item, item, ...]]. To write one: batch_begin(), items, batch_end()
 * (which fills in the number). To read one: msg_open() then one msg_read_xxx() an item.
 */
#ifndef PROTO_MSG_H
#define PROTO_MSG_H

#include "proto/limits.h"
#include "proto/pack.h"

enum msg_type {
    MSG_HELLO = 1, /* both ways, first */
    MSG_ERROR = 2, /* both ways, fatal: the sender closes after it */
    /* client <-> gangerd */
    MSG_SUBMIT = 10,   /* client: batch of struct msg_submit */
    MSG_ACCEPTED = 11, /* gangerd: batch of struct msg_accepted */
    MSG_END = 12,      /* gangerd: batch of struct msg_end */
    MSG_PROGRESS = 13, /* gangerd, and a child on its link: one struct msg_progress */
    MSG_REQUEST = 14,  /* client: one struct msg_request */
    MSG_REPLY = 15,    /* gangerd: one struct msg_reply */
    /* child link (fd 3 of a worker child) */
    MSG_READY = 30,    /* child: one struct msg_ready; its initializer has run (or failed) */
    MSG_HAND = 31,     /* gangerd: batch of struct msg_hand */
    MSG_RESULT = 32,   /* child: batch of struct msg_result */
    MSG_RETURNED = 33, /* child: [type, count]; hands that it found taken back and dropped */
    /* agent link */
    MSG_SPAWN = 40,   /* gangerd: struct msg_child{child, gen}: fork one child */
    MSG_SIGNAL = 41,  /* gangerd: struct msg_signal */
    MSG_STARTED = 43, /* agent: struct msg_started, with two descriptors: link, shared page */
    MSG_EXITED = 44,  /* agent: struct msg_exited */
    MSG_EMPTY = 45,   /* agent: struct msg_child: no process of that child's group is left */
    MSG_AGENT = 46,   /* agent: struct msg_agent: module loaded, or why not */
};

enum msg_role { ROLE_CLIENT = 1, ROLE_DAEMON = 2, ROLE_AGENT = 3, ROLE_CHILD = 4 };

/* [1, version, role, features, name, [frame, payload, name, batch, needs], epoch, pid] */
struct msg_hello {
    uint32_t version, role;
    uint64_t features; /* bits; none is defined yet, send 0 */
    struct slice name; /* client: program; agent: pool name; daemon: "gangerd VERSION" */
    uint32_t frame_max, payload_max, name_max, batch_max, needs_max;
    uint64_t epoch; /* daemon: its epoch; others 0 */
    uint64_t pid;
};

/* [2, code, text] */
struct msg_error {
    int code;
    struct slice text;
};

/* Flags of a task, on the wire and in the journal. */
enum task_flag {
    TASK_DURABLE = 1, /* acknowledged and ended only after a sync */
    TASK_WAIT = 2,    /* its end is sent to the session that submitted it */
    TASK_QUIET = 4,   /* no ACCEPTED item for it, unless it is refused */
    TASK_CHUNK = 8,   /* payload is an array of payloads; the function runs once for each, and the
                         outcome is an array of [code, value or detail] */
    TASK_NOT_DURABLE = 16, /* overrides a pool whose default is durable */
};

/* Options of a task: a map of small integers; an absent key means the pool's default. */
enum task_option {
    OPT_PRIORITY = 1,
    OPT_DELAY_MS,
    OPT_RUN_AT_MS,
    OPT_LIMIT_MS,
    OPT_KILL_GRACE_MS,
    OPT_EXPIRY_MS,
    OPT_ATTEMPTS,
    OPT_BACKOFF_MS,
    OPT_BACKOFF_MAX_MS,
    OPT_JITTER_PERCENT,
    OPT_CRASH_BUDGET,
    OPT_RETENTION_MS,
    OPT_NEEDS, /* OPT_NEEDS: array of [name, permits] */
    OPT_COUNT
};

struct task_need {
    struct slice name;
    uint32_t permits; /* 1..GANGER_PERMITS_MAX */
};

struct task_options {
    uint32_t given; /* bit (1u << OPT_x) for each option that is present */
    uint32_t priority, attempts, jitter_percent, crash_budget;
    uint64_t delay_ms;      /* from acceptance */
    uint64_t run_at_ms;     /* wall clock, milliseconds since 1970; excludes delay_ms */
    uint64_t limit_ms;      /* 0 = none */
    uint64_t kill_grace_ms; /* from the soft signal to the kill */
    uint64_t expiry_ms;     /* from acceptance: not started by then = EXPIRED; 0 = never */
    uint64_t backoff_ms, backoff_max_ms, retention_ms;
    uint32_t need_count;
    struct task_need needs[GANGER_NEEDS_MAX];
};

/* [req, flags, pool, options, function, payload] */
struct msg_submit {
    uint64_t req;   /* the client's number for it; comes back in every answer */
    uint32_t flags; /* enum task_flag */
    struct slice pool;
    struct task_options options;
    struct slice function; /* command pools: "" */
    struct slice payload;  /* one msgpack value; command pools: [ [arg, ...], stdin bin or nil ] */
    struct slice call; /* decoder: function and payload as encoded, adjacent; encoder ignores it */
};

/* [req, id] or, refused, [req, 0, code, text] */
struct msg_accepted {
    uint64_t req, id;
    int code;
    struct slice text;
};

/* How a task ended: the last four of the core's task states. */
enum task_end { END_DONE = 1, END_FAILED = 2, END_CANCELLED = 3, END_DEAD = 4 };

/*
 * [req, id, end, code, attempts, outcome]
 * OUTCOME is opaque to the coordinator: with END_DONE one msgpack value, the result; otherwise
 * empty or a detail: [code, text, backtrace, value, worker_end, causes] (see msg_detail).
 */
struct msg_end {
    uint64_t req, id;
    uint32_t end;      /* enum task_end */
    int code;          /* 0 with END_DONE, else GANGER_E... */
    uint32_t attempts; /* attempts that were begun */
    struct slice outcome;
};

/* How a worker process ended; all zero if it did not. [pid, exit, signal, core, utime, stime, rss,
 * stderr] */
struct msg_worker_end {
    uint64_t pid;
    uint32_t exit_code, signal;
    bool core;
    uint64_t user_us, system_us, maxrss_kib;
    struct slice stderr_tail; /* last bytes, at most GANGER_STDERR_TAIL */
};

/*
 * The detail of an unsuccessful end. VALUE: what the function or command gave although it failed
 * (encoded msgpack value, e.g. a command's stdout), empty if nothing (sent as nil). CAUSES: codes
 * of earlier attempts, oldest first: [[code, signal, exit_code], ...].
 */
struct msg_cause {
    int code;
    uint32_t signal, exit_code;
};
struct msg_detail {
    int code;
    struct slice text, backtrace; /* UTF-8, at most GANGER_TEXT_MAX each */
    struct slice value;           /* raw msgpack value or empty */
    bool has_worker_end;
    struct msg_worker_end worker_end;
    uint32_t cause_count;
    struct msg_cause causes[GANGER_CAUSES_MAX];
};

/* [13, req_or_seq, id, done, total, text]; from a child: seq and id 0; to a client: its req and the
 * id */
struct msg_progress {
    uint64_t req, id, done, total;
    struct slice text;
};

/* [14, req, verb, id, name, number, number2] */
enum verb {
    VERB_PING = 1,    /* value: {} */
    VERB_WAIT,        /* id; answered by an END item with this req, or a REPLY with an error */
    VERB_UNWAIT,      /* id; number = the req of the WAIT or SUBMIT: its END is no longer wanted */
    VERB_STATUS,      /* id; value: map */
    VERB_WHY,         /* id; value: map */
    VERB_CANCEL,      /* id; REPLY when the cancel is decided (durable: stored); the END follows */
    VERB_FORGET,      /* id of an ended task: drop its result now */
    VERB_POOLS,       /* name "" = all; value: array of maps */
    VERB_POOL_RESIZE, /* name, number = processes */
    VERB_POOL_RESUME, /* name: BROKEN or paused -> tries again */
    VERB_POOL_PAUSE,  /* name: hands out nothing more until resumed */
    VERB_SEM_SET,     /* name, number = permits; creates it when unknown; durable */
    VERB_SEM_VALUE,   /* name; value: map {limit, held, waiting} */
    VERB_SEM_LIST,    /* value: array of maps */
    VERB_STATS,       /* value: map */
    VERB_ROOM,        /* name = pool, number = tasks, number2 = bytes; REPLY when there is room */
    VERB_ACT, /* id, number = fence: that attempt waits for what this session waits for, from
                 now on; 0, 0: none does */
    VERB_COUNT
};
struct msg_request {
    uint64_t req;
    uint32_t verb;
    uint64_t id;
    struct slice name;
    uint64_t number, number2;
};

/* [15, req, code, text, value]; VALUE is one msgpack value (embedded as such), nil if none */
struct msg_reply {
    uint64_t req;
    int code;
    struct slice text;
    struct slice value; /* raw; empty = nil */
};

/* [30, code, text]: code 0 = ready for tasks */
struct msg_ready {
    int code;
    struct slice text;
};

/* [seq, id, fence, attempt, flags, limit_ms, function, payload] */
struct msg_hand {
    uint32_t seq; /* number of this hand on this link: 0, 1, 2, ... (see proto/page.h) */
    uint64_t id, fence;
    uint32_t attempt;  /* 1, 2, ... */
    uint32_t flags;    /* enum task_flag; only TASK_CHUNK concerns the child */
    uint64_t limit_ms; /* 0 = none; information for the function, the coordinator enforces it */
    struct slice function, payload;
    struct slice call; /* encoder: if not empty, written instead of function and payload */
};

/* [seq, code, outcome]: code 0 = outcome is the result, else outcome is a detail or empty */
struct msg_result {
    uint32_t seq;
    int code;
    struct slice outcome;
};

/* [type, child, gen] */
struct msg_child {
    uint32_t child, gen;
};

/* [41, child, gen, what]: what = SIGTERM or SIGKILL; SIGKILL goes to the child and its whole group
 */
struct msg_signal {
    uint32_t child, gen, signal;
};

/* [43, child, gen, pid] with SCM_RIGHTS { link, shared page } */
struct msg_started {
    uint32_t child, gen;
    uint64_t pid;
};

/* [44, child, gen, group_empty, worker_end, text] text: why it never became ready, if known */
struct msg_exited {
    uint32_t child, gen;
    bool group_empty;
    struct msg_worker_end end;
    struct slice text;
};

/* [46, code, text]: 0 = module loaded and preloaded, ready to fork */
struct msg_agent {
    int code;
    struct slice text;
};

/* ---- encoding: each writes one whole frame ---- */
void msg_write_hello(struct out *o, const struct msg_hello *m);
void msg_write_error(struct out *o, int code, const char *text);
void msg_write_progress(struct out *o, const struct msg_progress *m);
void msg_write_request(struct out *o, const struct msg_request *m);
void msg_write_reply(struct out *o, const struct msg_reply *m);
void msg_write_ready(struct out *o, int code, const char *text);
void msg_write_returned(struct out *o, uint32_t count);
void msg_write_child(struct out *o, enum msg_type type, uint32_t child, uint32_t gen);
void msg_write_signal(struct out *o, const struct msg_signal *m);
void msg_write_started(struct out *o, const struct msg_started *m);
void msg_write_exited(struct out *o, const struct msg_exited *m);
void msg_write_agent(struct out *o, int code, const char *text);

/*
 * A batch frame under construction. Items are counted; an empty batch leaves no trace. An item that
 * would take the frame over GANGER_BATCH_MAX or GANGER_FRAME_MAX ends it and begins another of the
 * same type, so that any number of items can be added.
 */
struct batch {
    size_t mark; /* where the frame begins */
    size_t count_at;
    uint32_t count; /* items in the frame so far */
};
void batch_begin(struct batch *b, struct out *o, enum msg_type type);
void batch_end(struct batch *b, struct out *o);
void msg_add_submit(struct batch *b, struct out *o, const struct msg_submit *m);
/*
 * As msg_add_submit(), but only the length of the payload is read: returns the place where its
 * bytes must be put before the next call, or NULL when the buffer failed.
 */
uint8_t *msg_place_submit(struct batch *b, struct out *o, const struct msg_submit *m);
void msg_add_accepted(struct batch *b, struct out *o, const struct msg_accepted *m);
void msg_add_end(struct batch *b, struct out *o, const struct msg_end *m);
void msg_add_hand(struct batch *b, struct out *o, const struct msg_hand *m);
void msg_add_result(struct batch *b, struct out *o, const struct msg_result *m);

/*
 * Write a detail as one msgpack value (no frame), for use as an outcome. Texts are cut at bounds; a
 * value that would take the whole over GANGER_PAYLOAD_MAX is left out.
 */
void msg_write_detail(struct out *o, const struct msg_detail *d);

/* ---- decoding ---- */
/*
 * Open a frame body: reads the outer array and the type; for a batch message also the inner array.
 * FIELDS is how many fields follow the type (not for batches), COUNT how many items a batch has.
 */
struct msg {
    uint32_t type;
    uint32_t fields, count;
    struct cursor body;
};
int msg_open(const uint8_t *data, size_t len, struct msg *ret_msg);

/*
 * Single messages: 0 or GANGER_EPROTO / GANGER_ETOOBIG; check the exact end of the frame. The
 * caller has looked at the type. Of a hello of another version only VERSION is read, the rest is 0.
 */
int msg_read_hello(struct msg *m, struct msg_hello *ret);
int msg_read_error(struct msg *m, struct msg_error *ret);
int msg_read_progress(struct msg *m, struct msg_progress *ret);
int msg_read_request(struct msg *m, struct msg_request *ret);
int msg_read_reply(struct msg *m, struct msg_reply *ret);
int msg_read_ready(struct msg *m, struct msg_ready *ret);
int msg_read_returned(struct msg *m, uint32_t *ret_count);
int msg_read_child(struct msg *m, struct msg_child *ret);
int msg_read_signal(struct msg *m, struct msg_signal *ret);
int msg_read_started(struct msg *m, struct msg_started *ret);
int msg_read_exited(struct msg *m, struct msg_exited *ret);
int msg_read_agent(struct msg *m, struct msg_agent *ret);

/* Batch items: call COUNT times, then msg_close() checks the end of the frame. */
int msg_read_submit(struct msg *m, struct msg_submit *ret);
int msg_read_accepted(struct msg *m, struct msg_accepted *ret);
int msg_read_end(struct msg *m, struct msg_end *ret);
int msg_read_hand(struct msg *m, struct msg_hand *ret);
int msg_read_result(struct msg *m, struct msg_result *ret);
int msg_close(struct msg *m);

/* Decode a detail (an outcome of an unsuccessful task). An empty one gives all zero. */
int msg_read_detail(const void *data, size_t len, struct msg_detail *ret);

/* Name of a type, a verb or an end for texts; "?" if unknown. error_text(): text of a GANGER_E
 * code. */
const char *msg_type_name(uint32_t type);
const char *verb_name(uint32_t verb);
const char *end_name(uint32_t end);
const char *error_text(int code);
const char *error_name(int code);

#endif
