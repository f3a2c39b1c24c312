/* The bytes of the embedded model file and of its calibration, in a read-only section, aligned like a mapped file. */
    .section .rodata
    .balign 4096
    .global scalekv_embedded_model_begin
scalekv_embedded_model_begin:
    .incbin SCALEKV_EMBEDDED_MODEL
    .global scalekv_embedded_model_end
scalekv_embedded_model_end:
    .byte 0
    .global scalekv_embedded_calibration_begin
scalekv_embedded_calibration_begin:
    .incbin SCALEKV_EMBEDDED_CALIBRATION
    .global scalekv_embedded_calibration_end
scalekv_embedded_calibration_end:
    .byte 0
    .section .note.GNU-stack,"",%progbits
