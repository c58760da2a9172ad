/* interrupt.h - ending long work cleanly on a signal: the first one only sets a flag that the work
 * looks at; when the program has kept what there is, it dies of the signal as it should. A second
 * one ends it at once.
 */
#ifndef ZV_BASE_INTERRUPT_H
#define ZV_BASE_INTERRUPT_H

#include <signal.h>

/* From here on SIGINT sets *interrupt_flag() (unless it is ignored, as under nohup). Not to be held
 * while the program waits for input: there SIGINT has to end it. */
void interrupt_hold(void);

/* The same for SIGINT, SIGTERM and SIGHUP, which end batch jobs. System calls go on after them: for
 * work whose waiting looks at the flag. timeout(1) and make(1) send their signal to the process and
 * to its group: SIGTERM and SIGHUP count once within a second. */
void interrupt_hold_all(void);

/* What the signals did before holds again; the flag stays. */
void interrupt_release(void);

/* The number of the signal that came, or 0. */
const volatile sig_atomic_t *interrupt_flag(void);

/* End the process by the signal that came, so that the shell sees it. Temporaries of outputs are
 * removed. */
_Noreturn void interrupt_die(void);

#endif
