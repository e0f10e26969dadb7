#include "cli.h"
#include "json.h"
#include "times.h"
#include "value.h"

#include <inttypes.h>
#include <msgpack.h>
#include <string.h>

#define REQUEST_MS 30000

int cli_connect(struct cli *cli)
{
    char buf[256] = "";
    const char *address = cli->socket;
    int rc;

    if (address == NULL && ganger_default_address(buf, sizeof buf) == 0)
        address = buf;
    rc = ganger_open(address, &cli->g);
    if (rc == 0)
        return 0;
    cli->g = NULL;
    if (rc == GANGER_EINVAL)
        return say_usage(cli,
            "--socket: \"%s\" is no socket's path (it must contain a / and have at most 107 bytes)",
            address == NULL ? "" : address);
    (void)say_failure(cli, address == NULL ? "socket" : address, rc);
    /* Whatever it is, there is no connection: also when the daemon does not answer. */
    return own_status(cli, STATUS_CONNECT);
}

void text_pack(const char *text, size_t len, struct buf *out)
{
    msgpack_packer pack;

    msgpack_packer_init(&pack, out, buf_pack_write);
    if (utf8_is_valid(text, len))
        (void)msgpack_pack_str(&pack, len);
    else
        (void)msgpack_pack_bin(&pack, len);
    buf_add(out, text, len);
}

int arg_pack(struct cli *cli, const char *text, size_t len, struct buf *out)
{
    int rc = GANGER_EDECODE;

    if (!cli->as_strings)
        rc = json_read(text, len, out, NULL);
    if (rc == GANGER_EDECODE && !cli->as_json) {
        text_pack(text, len, out);
        rc = out->failed ? GANGER_ENOMEM : 0;
    }
    return rc;
}

int call_payload(struct cli *cli, char **args, int count, struct buf *out)
{
    msgpack_packer pack;

    if (cli->bare && count != 1)
        return say_usage(cli, "--bare takes one argument, not %d", count);
    msgpack_packer_init(&pack, out, buf_pack_write);
    if (!cli->bare)
        (void)msgpack_pack_array(&pack, (size_t)count);
    for (int i = 0; i < count; i++) {
        int rc = arg_pack(cli, args[i], strlen(args[i]), out);

        if (rc == GANGER_EDECODE)
            return say_usage(cli, "argument %d: \"%s\" is no JSON", i + 1, args[i]);
        if (rc < 0)
            return say_failure(cli, "arguments", rc);
    }
    return 0;
}

void command_payload(
    struct cli *cli, char *const *args, int count, const struct buf *input, struct buf *out)
{
    msgpack_packer pack;

    msgpack_packer_init(&pack, out, buf_pack_write);
    (void)msgpack_pack_array(&pack, 2);
    (void)msgpack_pack_array(&pack, cli->fixed_count + (size_t)count);
    for (size_t i = 0; i < cli->fixed_count; i++)
        text_pack(cli->fixed[i], strlen(cli->fixed[i]), out);
    for (int i = 0; i < count; i++)
        text_pack(args[i], strlen(args[i]), out);
    if (input == NULL) {
        (void)msgpack_pack_nil(&pack);
    } else {
        (void)msgpack_pack_bin(&pack, input->len);
        buf_add(out, input->data, input->len);
    }
}

int id_read(struct cli *cli, const char *text, uint64_t *ret_id)
{
    if (ganger_id_parse(text, ret_id) == 0)
        return 0;
    return say_usage(cli, "\"%s\" is no task id (they look like 1-2a)", text);
}

int number_read(struct cli *cli, const char *what, const char *text, uint64_t min, uint64_t max,
    uint32_t *ret_number)
{
    size_t len = strlen(text);
    uint64_t number = 0;

    /* Ten digits cannot overflow. */
    for (size_t i = 0; i < len && len <= 10; i++)
        number = number * 10 + (uint64_t)(text[i] - '0');
    if (len == 0 || len > 10 || text[strspn(text, "0123456789")] != '\0' || number < min ||
        number > max)
        return say_usage(cli, "%s: \"%s\" is no whole number from %" PRIu64 " to %" PRIu64, what,
            text, min, max);
    *ret_number = (uint32_t)number;
    return 0;
}

int64_t time_left(const struct cli *cli, int64_t otherwise, int64_t most)
{
    int64_t ms = otherwise;

    if (cli->deadline_ms != INT64_MAX)
        ms = cli->deadline_ms - clock_ms();
    if (ms < 0)
        ms = 0;
    return ms < most ? ms : most;
}

int64_t request_ms(const struct cli *cli)
{
    return time_left(cli, REQUEST_MS, INT64_MAX);
}
