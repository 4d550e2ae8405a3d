# Images of the worker and of `api`: docker build --target worker|api .
#
# Compiled in two steps: first the dependencies, from the manifests alone, then the code. A change
# of the code keeps the layer of the first step.

# The images are pinned by `infra/pin-images`.

# The Rust version of rust-toolchain.toml.
FROM rust:1.95.0-slim-bookworm AS rust
WORKDIR /src

FROM node:24.19.0-bookworm-slim AS page
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY web .
RUN npm run build

# Every crate with its manifest and an empty program: cargo needs these to build the dependencies.
FROM rust AS manifests
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path '*/src/lib.rs' ! -path '*/src/main.rs' ! -path '*/src/bin/*.rs' \
      ! -path './tests/*/main.rs' -delete \
 && find . -name '*.rs' -exec sh -c 'for file; do echo "fn main() { }" >"$file"; done' sh {} + \
 && find . -mindepth 1 -type d -empty -delete

FROM rust AS build
# `dev` builds faster, but makes slower and larger programs.
ARG PROFILE=image
ARG BUILD="cargo build --locked --package functions --bin api --package worker --bin worker"
COPY --from=manifests /src .
# Removes the empty programs again. Cargo compares times, so it would take them for the real ones.
RUN ${BUILD} --profile "${PROFILE}" \
 && cargo clean --locked --profile "${PROFILE}" --package functions --package orders --package platform --package worker
COPY . .
RUN ${BUILD} --profile "${PROFILE}" \
 && mkdir /out \
 && cp target/*/api target/*/worker /out/

# The certificate authorities of RDS in all commercial regions; public authorities do not sign RDS
# certificates. Other AWS partitions have their own bundles. If AWS changes its bundle, the build fails:
# look at what is new, and set the checksum (`sha256sum`).
FROM rust AS authorities
ARG RDS_CA_BUNDLE=https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem
ARG RDS_CA_BUNDLE_SHA256=e5bb2084ccf45087bda1c9bffdea0eb15ee67f0b91646106e466714f9de3c7e3
ADD --checksum=sha256:${RDS_CA_BUNDLE_SHA256} ${RDS_CA_BUNDLE} /rds.pem
RUN chmod 644 /rds.pem

FROM debian:12.13-slim AS base
LABEL org.opencontainers.image.title="OrderFlow" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
WORKDIR /app
# The programs write only to standard output, so a read-only root file system works.
USER 10001:10001

FROM base AS worker
LABEL org.opencontainers.image.description="Executes the activities of OrderFlow's workflows"
# For POSTGRES_TLS_CA.
COPY --from=authorities /rds.pem /etc/ssl/certs/rds.pem
COPY --from=build /out/worker /usr/local/bin/
ENV WORKER_HOST=0.0.0.0
EXPOSE 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["worker", "healthcheck"]
ENTRYPOINT ["worker"]
CMD ["run"]

FROM base AS api
LABEL org.opencontainers.image.description="OrderFlow's HTTP API and web page on one port"
COPY --from=page /src/web/dist web
COPY --from=build /out/api /usr/local/bin/
ENV API_HOST=0.0.0.0 API_METRICS_HOST=0.0.0.0 WEB_DIR=/app/web
EXPOSE 8080 8082
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${API_PORT:-8080} && printf 'GET /api/health/live HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["api"]
