// The linked vDSO as data. OSVM_VDSO_FILE is set by the build.
    .section .rodata
    .balign 16
    .global osvm_vdso_begin
    .hidden osvm_vdso_begin
    .global osvm_vdso_end
    .hidden osvm_vdso_end
osvm_vdso_begin:
    .incbin OSVM_VDSO_FILE
osvm_vdso_end:
    .section .note.GNU-stack, "", @progbits
