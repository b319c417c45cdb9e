/** demo: five acts over 3,000,000 real flights, each of which checks itself. */
export type { DemoReporter } from './demo-reporter.ts'
export { runDemo } from './run-demo.ts'
