// AMX's tiles, for a file that names the processor's features in FEATURES: eight registers of
// 16 rows of 64 bytes, of which an instruction multiplies two and adds to a third.

typedef struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} tiles_config;

// begin_tiles makes all tiles whole ones, until _tile_release.
static void begin_tiles(void) {
    tiles_config c = {.palette = 1};
    for (int i = 0; i < 8; i++) c.bytes[i] = 64, c.rows[i] = 16;
    _tile_loadconfig(&c);
}
