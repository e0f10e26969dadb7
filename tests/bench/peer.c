#include "tests/bench/peer.h"

#include "tests/bench/sample.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define EXIT_LACKS 3 /* the peer has no such work */

const char *const peer_names[] = { "redis", "gearman", "beanstalk", "python", NULL };

bool peer_measure(const struct peers *p, const char *peer, const char *work, double *ret_value)
{
    char command[4096], line[128] = "";
    double value;
    int status;
    FILE *f;

    if (p->run == NULL)
        return false;
    (void)snprintf(command, sizeof command, "'%s' measure '%s' %s %s --scale %s", p->run, p->dir,
        peer, work, p->scale);
    f = popen(command, "re");
    if (f == NULL)
        sample_fail(command, strerror(errno));
    value = fgets(line, sizeof line, f) == NULL ? 0 : strtod(line, NULL);
    status = pclose(f);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_LACKS)
        return false;
    if (status != 0 || !(value > 0))
        sample_fail(command, "did not print a number");
    *ret_value = value;
    return true;
}
