/* interrupt.h - ending long work cleanly on SIGINT: the first Ctrl-C only sets a flag that the work
 * looks at; when the program has kept what there is, it dies of the signal as it should. A second
 * one ends it at once.
 */
#ifndef ZV_BASE_INTERRUPT_H
#define ZV_BASE_INTERRUPT_H

#include <signal.h>

/* From here on SIGINT sets *interrupt_flag() (unless it is ignored, as under nohup). Not to be held
 * while the program waits for input: there SIGINT has to end it. */
void interrupt_hold(void);
/* What SIGINT did before holds again; the flag stays. */
void interrupt_release(void);

const volatile sig_atomic_t *interrupt_flag(void);

/* End the process by SIGINT, so that the shell sees it. Temporaries of outputs are removed. */
_Noreturn void interrupt_die(void);

#endif
