/** Setting `coercion`: whether a value must be exactly of its column's type, or is converted as the engine likes. */
export type Coercion = 'strict' | 'lenient'
