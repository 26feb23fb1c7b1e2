// Who may do what: four roles, each of which may do all that the ones before it may.

/** In order: a viewer reads, an operator runs what is live, a deployer changes what is live, an admin decides who may. */
export const roles = ['viewer', 'operator', 'deployer', 'admin'] as const

export type Role = (typeof roles)[number]

/** Whether who has `role` may do what needs `needed`. */
export function reaches(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed)
}
