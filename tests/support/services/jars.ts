/** Java libraries with all that they depend on, fetched once by Maven. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installOnce, runCommand } from './install.ts'

export interface JarSet {
  readonly name: string
  readonly version: string
  /** Each as `group:artifact:version`. */
  readonly artifacts: readonly string[]
}

/** The class path of all of them. */
export async function installJars({ name, version, artifacts }: JarSet): Promise<string> {
  const folder = await installOnce({
    name,
    version,
    build: async (into) => {
      await writeFile(join(into, 'pom.xml'), pomOf(name, artifacts))
      const goal = 'dependency:copy-dependencies'
      await runCommand('mvn', ['-q', '-B', '-f', 'pom.xml', goal, '-DoutputDirectory=lib'], {
        cwd: into,
      })
    },
  })
  return join(folder, 'lib', '*')
}

function pomOf(name: string, artifacts: readonly string[]): string {
  const dependencies = artifacts.map((each) => {
    const [group, artifact, version] = each.split(':')
    return `    <dependency>
      <groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>
    </dependency>`
  })
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tidewater.tests</groupId>
  <artifactId>${name}</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
${dependencies.join('\n')}
  </dependencies>
</project>
`
}
