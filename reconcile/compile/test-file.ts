/** Whether a file of the tree is a test of services: it declares nothing, in code or in YAML. */
export function isTestFile(path: string): boolean {
  return /\.test\.(?:[cm]?ts|ya?ml)$/.test(path)
}
