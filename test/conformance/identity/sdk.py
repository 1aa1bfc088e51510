"""Identity as openstacksdk uses it: domains, projects, users, groups, roles and assignments, the catalog, application credentials,
limits, credentials, tokens. Each step says what it does; the last line is `done`."""
import datetime
import sys
import time

import keystoneauth1.exceptions
import openstack
from openstack import exceptions

cloud = openstack.connect()
identity = cloud.identity
made = []


def step(name):
    print(name, flush=True)


def gone(find, name):
    found = find(name, ignore_missing=True)
    assert found is None, f'{name} is still there'


def refused(status, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except exceptions.HttpException as error:
        assert error.status_code == status, f'{error.status_code}: {error}'
        assert str(error), 'a refusal without a word'
        return error
    raise AssertionError(f'{call} was not refused')


step('domain')
domain = identity.create_domain(name='sdk-domain', description='of the SDK')
assert identity.find_domain('sdk-domain').id == domain.id
identity.update_domain(domain, description='changed')
assert identity.get_domain(domain.id).description == 'changed'
refused(409, identity.create_domain, name='sdk-domain')
refused(403, identity.delete_domain, domain, ignore_missing=False)

step('project')
project = identity.create_project(name='sdk-project', domain_id=domain.id, tags=['blue'])
child = identity.create_project(name='sdk-child', domain_id=domain.id, parent_id=project.id)
assert [one.id for one in identity.projects(domain_id=domain.id, name='sdk-child')] == [child.id]
assert [one.id for one in identity.projects(parent_id=project.id)] == [child.id]
identity.update_project(child, is_enabled=False)
assert identity.get_project(child.id).is_enabled is False

step('user')
user = identity.create_user(name='sdk-user', domain_id=domain.id, password='a long password', email='u@example.org', default_project_id=project.id)
assert identity.get_user(user.id).password is None
assert identity.find_user('sdk-user', domain_id=domain.id).id == user.id
identity.update_user(user, description='changed')
assert [one.name for one in identity.users(domain_id=domain.id)] == ['sdk-user']

step('group')
group = identity.create_group(name='sdk-group', domain_id=domain.id)
identity.add_user_to_group(user, group)
assert identity.check_user_in_group(user, group)

step('role')
role = identity.create_role(name='sdk-role')
identity.assign_project_role_to_user(project, user, role)
assert identity.validate_user_has_project_role(project, user, role)
identity.assign_domain_role_to_group(domain, group, role)
assignments = list(identity.role_assignments(user_id=user.id))
assert [one.role['id'] for one in assignments] == [role.id], assignments
effective = list(identity.role_assignments(user_id=user.id, effective=True))
assert {(one.scope.get('project') or one.scope.get('domain'))['id'] for one in effective} == {project.id, domain.id}, effective
identity.unassign_project_role_from_user(project, user, role)
assert not identity.validate_user_has_project_role(project, user, role)

step('log in as that user')
identity.assign_project_role_to_user(project, user, identity.find_role('member'))
url = cloud.config.get_auth_args()['auth_url']
mine = openstack.connect(auth_url=url, username='sdk-user', user_domain_id=domain.id, password='a long password', project_name='sdk-project', project_domain_id=domain.id, region_name=cloud.config.region_name, load_envvars=False, load_yaml_config=False)
assert mine.current_project_id == project.id
assert [one.id for one in mine.identity.user_projects(user)] == [project.id]
refused(403, lambda: list(mine.identity.users()))

step('application credential')
soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime('%Y-%m-%dT%H:%M:%S.000000')
credential = mine.identity.create_application_credential(user, 'sdk-credential', expires_at=soon)
assert credential.secret
robot = openstack.connect(auth_type='v3applicationcredential', auth_url=url, application_credential_id=credential.id, application_credential_secret=credential.secret, region_name=cloud.config.region_name, load_envvars=False, load_yaml_config=False)
assert robot.current_project_id == project.id
refused(403, robot.identity.create_application_credential, user, 'another')
mine.identity.delete_application_credential(user, credential)

step('catalog')
service = identity.create_service(name='sdk-service', type='sdk-type')
endpoint = identity.create_endpoint(service_id=service.id, interface='public', url='http://127.0.0.1:9/sdk', region_id=cloud.config.region_name)
assert [one.id for one in identity.endpoints(service_id=service.id)] == [endpoint.id]
identity.delete_endpoint(endpoint)
identity.delete_service(service)
gone(identity.find_service, 'sdk-service')

step('limits')
compute = identity.find_service('nova') or next(identity.services(type='compute'))
registered = [one for one in identity.registered_limits(service_id=compute.id) if one.resource_name == 'servers']
assert registered and registered[0].default_limit >= 1
limit = identity.create_limit(service_id=compute.id, project_id=project.id, resource_name='servers', resource_limit=3)
limit = limit[0] if isinstance(limit, list) else limit
assert [one.resource_limit for one in identity.limits(project_id=project.id)] == [3]
for one in identity.limits(project_id=project.id):
    # This release's delete_limit() is broken by itself.
    assert identity.delete(f'/limits/{one.id}').status_code == 204

step('credential')
secret = identity.create_credential(user=user.id, user_id=user.id, project_id=project.id, type='cert', blob='something private')
assert identity.get_credential(secret.id).blob == 'something private'
identity.delete_credential(secret)

step('what is deleted is gone')
identity.delete_user(user)
gone(identity.find_user, 'sdk-user')
# Within two seconds, everywhere.
for attempt in range(25):
    try:
        list(mine.identity.user_projects(user))
    except keystoneauth1.exceptions.Unauthorized:
        break  # the token was refused, and so was the new login that the SDK tried then
    except exceptions.HttpException:
        pass  # the user is gone, and the token not yet
    time.sleep(0.1)
else:
    raise AssertionError('the token of a deleted user is still good')
identity.delete_group(group)
identity.delete_project(child)
identity.delete_project(project)
identity.delete_role(role)
identity.update_domain(domain, is_enabled=False)
identity.delete_domain(domain)
gone(identity.find_domain, 'sdk-domain')
print('done')
sys.exit(0)
