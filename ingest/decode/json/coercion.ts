/** Setting `coercion`: whether a value must be exactly of its column's type, or is converted by the rules of the engine. */
export type Coercion = 'strict' | 'lenient'
