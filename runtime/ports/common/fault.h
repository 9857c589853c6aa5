/* Reports an exception that nobody expects and ends the program with PORT_FAULT_EXIT_CODE. */
#ifndef WPCONVERT_PORT_FAULT_H_
#define WPCONVERT_PORT_FAULT_H_

#define PORT_FAULT_EXIT_CODE 70

/* Entered by the core only. */
void port_fault(void);

/* The system exceptions: port_fault, unless the program defines the function. */
void NMI_Handler(void);
void HardFault_Handler(void);
void MemManage_Handler(void);
void BusFault_Handler(void);
void UsageFault_Handler(void);
void SecureFault_Handler(void);
void SVC_Handler(void);
void DebugMon_Handler(void);
void PendSV_Handler(void);
void SysTick_Handler(void);

#endif /* WPCONVERT_PORT_FAULT_H_ */
