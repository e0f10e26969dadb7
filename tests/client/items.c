#include "items.h"

#include <poll.h>
#include <string.h>

struct ganger_bytes items[MANY];

static uint8_t item_bytes[MANY][3];

static void make_items(void)
{
    for (int i = 0; i < MANY; i++) {
        item_bytes[i][0] = 0xcd;
        item_bytes[i][1] = (uint8_t)(i >> 8);
        item_bytes[i][2] = (uint8_t)i;
        items[i] = (struct ganger_bytes){ item_bytes[i], 3 };
    }
}

bool items_is(struct ganger_bytes bytes, int i)
{
    return bytes.len == 3 && memcmp(bytes.data, item_bytes[i], 3) == 0;
}

int items_setup(void **state)
{
    make_items();
    return fake_setup(state);
}

struct ganger *items_served(struct fake *fake)
{
    struct ganger *g = NULL;

    fake_serve(fake);
    assert_int_equal(ganger_open(fake->path, &g), 0);
    return g;
}

void items_turn(struct ganger *g)
{
    struct pollfd p = { ganger_fd(g), POLLIN, 0 };

    (void)poll(&p, 1, 100);
    assert_int_equal(ganger_process(g, POLLIN), 0);
}

void items_end_half_failed(struct fake *fake, uint64_t req, int code, const char *text)
{
    struct msg_detail d = { .code = code, .text = { (const uint8_t *)text, strlen(text) } };
    struct out out = { 0 };

    write_array(&out, 2);
    write_array(&out, 2);
    write_int(&out, 0);
    write_int(&out, 42);
    write_array(&out, 2);
    write_int(&out, code);
    msg_write_detail(&out, &d);
    fake_end(fake, req, fake_id(req), END_DONE, 0, out.data, out.len);
    out_done(&out);
}
