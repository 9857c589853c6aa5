/* Reports an exception that nobody expects and ends the program with FAULT_EXIT_CODE. */
#ifndef WPCONVERT_PORT_FAULT_H_
#define WPCONVERT_PORT_FAULT_H_

#define FAULT_EXIT_CODE 70

/* The handler of every system exception; entered by the core only. */
void port_fault(void);

#endif /* WPCONVERT_PORT_FAULT_H_ */
