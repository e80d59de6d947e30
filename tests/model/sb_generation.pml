/* sb_generation.pml: a reader whose pin is ignored (given up by mistake) finds out that its slot
 * was written again: the header is invalidated before the payload changes and read again after
 * use (board_core.h, W3 and R5) on memory that reorders. */
#define LOCATIONS 4 /* the slot's two payload words, its generation, latest */
#define GENERATION 2
#define LATEST 3
#define OWNER(l) (l / 4)
#include "weak.pml"

#ifndef VERSIONS
#define VERSIONS 3
#endif

active proctype Writer()
{
    byte g = 1;

    do
    :: g > VERSIONS -> break
    :: else ->
        STORE(GENERATION, 0); /* W2 */
#ifndef MUTANT_NO_FENCE_AFTER_INVALIDATE
        STORE_STORE_FENCE(0);
#endif
        STREAM(0, g); /* W3 */
        STREAM(1, g);
#ifndef MUTANT_NO_SFENCE
        SFENCE;
#endif
        STORE(GENERATION, g); /* in no order of its own: W4 publishes it */
        RELEASE(0);
        STORE(LATEST, g); /* W4 */
        g++
    od
}

active proctype Reader()
{
    byte l, x, y, g;

    do
    :: l == VERSIONS -> break
    :: else ->
        LOAD_ACQUIRE(1, l, LATEST); /* R4 */
        if
        :: l > 0 ->
            LOAD(x, 0); /* R5 */
            LOAD(y, 1);
#ifndef MUTANT_NO_FENCE_BEFORE_SECOND_LOOK
            LOAD_LOAD_FENCE(1);
#endif
            LOAD(g, GENERATION);
            assert(g != l || (x == l && y == l));
            x = 0;
            y = 0;
            g = 0
        :: else
        fi
    od
}
