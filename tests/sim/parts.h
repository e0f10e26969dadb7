/*
 * Bounds of the core, for a core that does in small parts what it else does in large ones, and
 * whose memory comes and goes in small chunks: so the simulation reaches where they end. To be
 * included before everything else (-include).
 */
#ifndef SIM_PARTS_H
#define SIM_PARTS_H

#define FORGET_STEP      1u
#define FORGET_LATE_STEP 2u
#define DEADLINES_STEP   3u
#define EFFECTS_CAP      64u
#define EFFECTS_RESERVED 48u
#define SLAB_CHUNK_BITS  3u

#endif
