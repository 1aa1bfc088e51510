import { Controller, Get, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Policy } from '#libs/auth';
import { ZodQuery } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { CatalogQuery } from '../http/queries.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { endpointView, regionView, serviceView } from './catalog.view.js';
import { Catalogs } from './catalogs.js';

/** Services, endpoints and regions, read from the catalog. */
@Controller('identity/v3')
@UseInterceptors(VaryInterceptor)
export class CatalogController {
  constructor(private readonly catalogs: Catalogs, private readonly base: BaseUrl) {}

  @Get('services')
  @Policy('identity:services:list')
  services(@ZodQuery(CatalogQuery) query: CatalogQuery, @Req() request: FastifyRequest) {
    const services = this.servicesOf(request).filter((it) => matches(query.name, it.name) && matches(query.type, it.type));
    return { services, links: this.base.links(request, '/services') };
  }

  @Get('services/:id')
  @Policy('identity:services:get')
  service(@IdParam() id: string, @Req() request: FastifyRequest) {
    return { service: found('service', id, this.servicesOf(request).find((it) => it.id === id)) };
  }

  @Get('endpoints')
  @Policy('identity:endpoints:list')
  endpoints(@ZodQuery(CatalogQuery) query: CatalogQuery, @Req() request: FastifyRequest) {
    const endpoints = this.endpointsOf(request).filter((it) =>
      matches(query.interface, it.interface) && matches(query.service_id, it.service_id) && matches(query.region_id, it.region_id));
    return { endpoints, links: this.base.links(request, '/endpoints') };
  }

  @Get('endpoints/:id')
  @Policy('identity:endpoints:get')
  endpoint(@IdParam() id: string, @Req() request: FastifyRequest) {
    return { endpoint: found('endpoint', id, this.endpointsOf(request).find((it) => it.id === id)) };
  }

  @Get('regions')
  @Policy('identity:regions:list')
  regions(@ZodQuery(CatalogQuery) query: CatalogQuery, @Req() request: FastifyRequest) {
    const v3 = this.base.v3(request);
    // There is one region and it has no parent.
    const regions = query.parent_region_id === undefined ? [regionView(v3, this.catalogs.region)] : [];
    return { regions, links: this.base.links(request, '/regions') };
  }

  @Get('regions/:id')
  @Policy('identity:regions:get')
  region(@IdParam() id: string, @Req() request: FastifyRequest) {
    return { region: found('region', id, id === this.catalogs.region ? regionView(this.base.v3(request), id) : undefined) };
  }

  private servicesOf(request: FastifyRequest) {
    return this.catalogs.at(this.base.of(request)).map((entry) => serviceView(this.base.v3(request), entry));
  }

  private endpointsOf(request: FastifyRequest) {
    const v3 = this.base.v3(request);
    return this.catalogs.at(this.base.of(request)).flatMap((entry) => entry.endpoints.map((endpoint) => endpointView(v3, entry.id, endpoint)));
  }
}

const matches = (wanted: string | undefined, actual: string): boolean => wanted === undefined || wanted === actual;
