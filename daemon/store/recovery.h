/*
 * Recovery: from the files of a directory to a journal that can go on.
 *
 *   1. List the segments and judge their headers. The sound one of the highest generation is
 *      the newest.
 *   2. Sync the newest (what was read must not get lost later), read its records, and thereby
 *      learn the oldest generation that is needed.
 *   3. Walk the predecessors back to the oldest. Each must be there, and valid exactly up to
 *      the end that its successor states.
 *   4. What is not in that chain is spare.
 *   5. If nothing behind the end of the newest segment looks like a record of it, it is written
 *      on. Otherwise the remains of a torn batch stay there, and the next batch goes to a fresh
 *      segment, whose header states where this one ends.
 *
 * A record of the newest segment that is not valid is where a crash tore the last batch, unless
 * a batch stands behind it: then it had been durable, and this is damage. So is a segment
 * without a sound header in which there are batches of a generation above the newest: headers
 * are synced before the batches. Private to this folder.
 */
#ifndef STORE_RECOVERY_H
#define STORE_RECOVERY_H

#include <stdint.h>

#include "store/fault.h"
#include "store/index.h"
#include "store/writer.h"

/*
 * Fill the lists, id, seed, generation and next id of W (its io, dir and sizes are set), and
 * INDEX. LAST_BIRTH becomes the highest birth that was ever durable. On an error the caller
 * frees W and INDEX. DIR_NAME is for the text of FAULT.
 */
int recovery_run(struct writer *w, const char *dir_name, struct index *index,
    uint64_t *ret_last_birth, const struct fault *fault);

#endif
