/* sb_pin.pml: the pin of the board (board_core.h, W1-W4, R1-R6) on memory that reorders. One
 * reader, three slots; the reader goes from one version to the next with or without giving the
 * pin back in between. */
#define LOCATIONS 5 /* payload of three slots, latest, pin */
#define LATEST 3
#define PIN 4
#define OWNER(l) (l / PIN)
#include "weak.pml"

#ifndef VERSIONS
#define VERSIONS 3
#endif
#define NONE 255

active proctype Writer()
{
    byte g = 1, s, p, l;

    do
    :: g > VERSIONS -> break
    :: else ->
#ifndef MUTANT_NO_FENCE_BEFORE_PINS
        FENCE(0); /* W4's, of the version before */
#endif
        LOAD_ACQUIRE(0, p, PIN);
        if /* W2; a pin starts at 0, which stands for none until the first version */
        :: l % 3 != 0 && (p == NONE || p == 0 || p % 3 != 0) -> s = 0
        :: l % 3 != 1 && (p == NONE || p == 0 || p % 3 != 1) -> s = 1
        :: l % 3 != 2 && (p == NONE || p == 0 || p % 3 != 2) -> s = 2
        fi;
        STORE(s, g); /* W3 */
#ifndef MUTANT_RELAXED_LATEST
        RELEASE(0);
#endif
        l = g * 3 + s;
        STORE(LATEST, l); /* W4 */
        p = 0;
        g++
    od
}

active proctype Reader()
{
    byte l, again, have;

    do
    :: have == VERSIONS -> break
    :: else ->
        LOAD(l, LATEST); /* R1 */
        if
        :: l / 3 > have ->
repin:
#ifndef MUTANT_RELAXED_PIN
            RELEASE(1);
#endif
            STORE(PIN, l); /* R2 */
#ifndef MUTANT_NO_FENCE_AFTER_PIN
            FENCE(1); /* R3 */
#endif
            LOAD_ACQUIRE(1, again, LATEST); /* R4 */
            if
            :: again != l -> l = again; goto repin
            :: else
            fi;
            assert(l / 3 > have);
            have = l / 3;
            LOAD_LATE(l % 3, have); /* R5 */
            if
            :: RELEASE(1) -> STORE(PIN, NONE) /* R6 */
            :: true
            fi
        :: else
        fi;
        l = 0;
        again = 0
    od
}
