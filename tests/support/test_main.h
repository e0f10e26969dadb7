/* The main of every cmocka program: all tests, or the one that is named. */
#ifndef SUPPORT_TEST_MAIN_H
#define SUPPORT_TEST_MAIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/*
 * Run the test named argv[1], or all COUNT of TESTS when no name is given; with "--list" print
 * their names. Returns the exit status for main(): 0 when all passed, 2 for an unknown name.
 */
int test_main(int argc, char **argv, const struct CMUnitTest *tests, size_t count);

#endif
