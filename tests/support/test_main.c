#include "tests/support/test_main.h"

#include <stdio.h>
#include <string.h>

static int list_tests(const struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)puts(tests[i].name);
    return 0;
}

int test_main(int argc, char **argv, const struct CMUnitTest *tests, size_t count)
{
    if (argc < 2)
        return _cmocka_run_group_tests(argv[0], tests, count, NULL, NULL) == 0 ? 0 : 1;
    if (strcmp(argv[1], "--list") == 0)
        return list_tests(tests, count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(tests[i].name, argv[1]) == 0)
            return _cmocka_run_group_tests(argv[1], &tests[i], 1, NULL, NULL) == 0 ? 0 : 1;
    }
    (void)fprintf(stderr, "%s: no test is named %s\n", argv[0], argv[1]);
    return 2;
}
