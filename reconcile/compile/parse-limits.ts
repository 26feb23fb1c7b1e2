// The budget of one YAML file.

/** What one file may cost. Nodes are counted after aliases are expanded. */
export const parseLimits = { depth: 64, nodes: 200_000, keyLength: 1_000, refusals: 20 }
