/*
 * Runs a fuzzer's function over the files that are named, or that lie in the directories that are
 * named, so that what was once found stays tested in builds without libFuzzer. "-runs=0", which
 * tells libFuzzer the same, is ignored. No input at all is an error.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file_run(const char *path, size_t *runs)
{
    static uint8_t input[INPUT_MAX];
    uint8_t *exact;
    size_t size;
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    size = fread(input, 1, sizeof input, file);
    (void)fclose(file);
    /* Memory of just this size, so that ASan sees a read beyond the end. */
    exact = malloc(size == 0 ? 1 : size);
    if (exact == NULL)
        return 1;
    memcpy(exact, input, size);
    (void)printf("%s: %zu bytes\n", path, size);
    (void)fflush(stdout);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    (*runs)++;
    return 0;
}

static int path_run(const char *path, size_t *runs)
{
    struct dirent **found = NULL;
    struct stat st;
    int count, status = 0;

    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return file_run(path, runs);
    count = scandir(path, &found, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char inner[4096];

        (void)snprintf(inner, sizeof inner, "%s/%s", path, found[i]->d_name);
        if (found[i]->d_name[0] != '.')
            status |= file_run(inner, runs);
        free(found[i]);
    }
    free(found);
    return status;
}

int main(int argc, char **argv)
{
    size_t runs = 0;
    int status = 0;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) != 0)
            status |= path_run(argv[i], &runs);
    }
    if (runs == 0) {
        (void)fprintf(stderr, "%s: no input\n", argv[0]);
        status = 1;
    }
    return status;
}
