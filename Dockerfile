# Debian, not Alpine: Node's own builds are for glibc. `slim`: nothing is compiled here. Node 24 has long-term support
# until April 2028. The registry is in the name because podman and buildah may have no default registry.
FROM docker.io/library/node:24-trixie-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/write-revision.mjs scripts/
COPY src src
ARG REVISION=
# The build context has no git repository to read the revision from.
RUN npm run build && printf '%s' "$REVISION" > dist/REVISION

FROM docker.io/library/node:24-trixie-slim AS dependencies
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=dev

FROM docker.io/library/node:24-trixie-slim
WORKDIR /opt/libvirt-drift-exporter
COPY LICENSE NOTICE package.json ./
COPY --from=dependencies /build/node_modules node_modules
COPY --from=build /build/dist dist

ENV NODE_ENV=production
# For the health check. Change the port here too when --web.listen-address has another port.
ENV HEALTH_URL=http://127.0.0.1:9177/-/healthy
EXPOSE 9177
# nobody. The host's libvirt refuses a user that the host does not know. Every host knows 65534, which has no rights. The
# image's own user, 1000, may be a person on the host.
USER 65534:65534
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(process.env.HEALTH_URL).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/libvirt-drift-exporter/dist/main.js"]

ARG VERSION=
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="libvirt-drift-exporter" \
  org.opencontainers.image.description="Prometheus exporter for KVM/libvirt hypervisors that shows machine-type, QEMU, configuration and OS drift of every domain" \
  org.opencontainers.image.source="https://github.com/libvirt-drift-exporter/libvirt-drift-exporter" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="$VERSION" \
  org.opencontainers.image.revision="$REVISION" \
  org.opencontainers.image.created="$CREATED"
