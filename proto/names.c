/* The names of numbers, for texts and logs. */
#include "proto/err.h"
#include "proto/msg.h"

static const char *const verbs[VERB_COUNT] = {
    [VERB_PING] = "PING",
    [VERB_WAIT] = "WAIT",
    [VERB_UNWAIT] = "UNWAIT",
    [VERB_STATUS] = "STATUS",
    [VERB_WHY] = "WHY",
    [VERB_CANCEL] = "CANCEL",
    [VERB_FORGET] = "FORGET",
    [VERB_POOLS] = "POOLS",
    [VERB_POOL_RESIZE] = "POOL_RESIZE",
    [VERB_POOL_RESUME] = "POOL_RESUME",
    [VERB_POOL_PAUSE] = "POOL_PAUSE",
    [VERB_SEM_SET] = "SEM_SET",
    [VERB_SEM_VALUE] = "SEM_VALUE",
    [VERB_SEM_LIST] = "SEM_LIST",
    [VERB_STATS] = "STATS",
    [VERB_ROOM] = "ROOM",
    [VERB_ACT] = "ACT",
};

static const char *const types[MSG_AGENT + 1] = {
    [MSG_HELLO] = "HELLO",
    [MSG_ERROR] = "ERROR",
    [MSG_SUBMIT] = "SUBMIT",
    [MSG_ACCEPTED] = "ACCEPTED",
    [MSG_END] = "END",
    [MSG_PROGRESS] = "PROGRESS",
    [MSG_REQUEST] = "REQUEST",
    [MSG_REPLY] = "REPLY",
    [MSG_READY] = "READY",
    [MSG_HAND] = "HAND",
    [MSG_RESULT] = "RESULT",
    [MSG_RETURNED] = "RETURNED",
    [MSG_SPAWN] = "SPAWN",
    [MSG_SIGNAL] = "SIGNAL",
    [MSG_STARTED] = "STARTED",
    [MSG_EXITED] = "EXITED",
    [MSG_EMPTY] = "EMPTY",
    [MSG_AGENT] = "AGENT",
};

static const char *const ends[END_DEAD + 1] = {
    [END_DONE] = "DONE",
    [END_FAILED] = "FAILED",
    [END_CANCELLED] = "CANCELLED",
    [END_DEAD] = "DEAD",
};

static const char *name_at(const char *const *names, size_t count, uint32_t i)
{
    return i < count && names[i] != NULL ? names[i] : "?";
}

const char *msg_type_name(uint32_t type)
{
    return name_at(types, sizeof types / sizeof types[0], type);
}

const char *verb_name(uint32_t verb)
{
    return name_at(verbs, sizeof verbs / sizeof verbs[0], verb);
}

const char *end_name(uint32_t end)
{
    return name_at(ends, sizeof ends / sizeof ends[0], end);
}

const char *error_text(int code)
{
    switch (code) {
    case GANGER_OK:
        return "no error";
#define GANGER_ERROR_TEXT(name, number, text)                                                      \
    case -(number):                                                                                \
        return text;
        GANGER_ERRORS(GANGER_ERROR_TEXT)
#undef GANGER_ERROR_TEXT
    default:
        return "unknown error";
    }
}

const char *error_name(int code)
{
    switch (code) {
    case GANGER_OK:
        return "OK";
#define GANGER_ERROR_NAME(name, number, text)                                                      \
    case -(number):                                                                                \
        return #name;
        GANGER_ERRORS(GANGER_ERROR_NAME)
#undef GANGER_ERROR_NAME
    default:
        return "?";
    }
}
