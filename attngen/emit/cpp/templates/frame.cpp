__opening__

constexpr int64_t PANEL_BYTES = 48 << 20;  // of keys and values that all threads together keep packed
constexpr float NOTHING = -std::numeric_limits<float>::infinity();
constexpr int64_t QUERY_TILE = __query_tile_rows__;
constexpr int64_t KEY_TILE = __key_tile_rows__;

__pairs__

__tiles__

__multiply__

__weights__

__own_support__

// % if functions
// ---- functions of the language

__functions__
// % endif
__given__
