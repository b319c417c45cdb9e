/** Secrets never reach a terminal or a log: what the typed schema marks, and what looks like one. */

export const maskedText = '***'

const secretWords = /secret|passw|token|credential|private|jaas|sasl\.key|ssl\.key/i

/** True for keys of free-form maps (`properties`) that by their name hold a secret. */
export function looksSecret(key: string): boolean {
  return secretWords.test(key)
}

/** Hides `user:password@` inside URLs. */
export function maskUrlCredentials(text: string): string {
  return text.replace(/(\/\/)[^/@\s]*@/g, `$1${maskedText}@`)
}
