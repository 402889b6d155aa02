/* sluice/crc32c.h -- CRC-32C (Castagnoli polynomial 0x1EDC6F41, as iSCSI, ext4 and
 * TFRecord use it), in hardware where the CPU has it. */
#ifndef SLUICE_CRC32C_H
#define SLUICE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Checksum of `size` bytes. Start with crc = 0; to continue over further bytes, pass
 * the checksum so far: crc32c(crc32c(0, a), b) is the checksum of a followed by b.
 * The nine bytes "123456789" give 0xE3069283. */
uint32_t sluice_crc32c(uint32_t crc, const void *data, size_t size);

#ifdef __cplusplus
}
#endif
#endif
